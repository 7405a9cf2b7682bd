"""An index of orders by the id that events have, for the look-up of ids."""

from django.db import migrations, models

from neural.kit.online import AddIndexInUse
from neural.restaurant.models.order import LastPart


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0007_whole_refunds_and_six_places")]

    operations = [
        AddIndexInUse(
            model_name="order",
            index=models.Index(LastPart("key"), models.F("id").desc(), name="neural_order_by_id"),
        )
    ]
