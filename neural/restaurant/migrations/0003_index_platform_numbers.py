"""An index of orders by the number that a delivery platform gave, for the look-up of ids."""

from django.db import migrations, models

from neural.kit.online import AddIndexInUse


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0002_cancelled_is_a_status")]

    operations = [
        AddIndexInUse(
            model_name="order",
            index=models.Index(fields=["platform_number", "-id"], name="neural_order_by_platform"),
        )
    ]
