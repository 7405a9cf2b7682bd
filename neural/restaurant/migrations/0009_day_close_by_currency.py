"""A till that takes two currencies closes its day in each of them.

The table has a row for each till and day, so its new index is built in a moment. It is there before
the old one goes.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("neural_restaurant", "0008_order_delivery"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="dayclose",
            constraint=models.UniqueConstraint(
                fields=("store", "business_day", "till", "currency"),
                name="neural_day_close_by_currency",
            ),
        ),
        migrations.RemoveConstraint(model_name="dayclose", name="neural_day_close_identity"),
    ]
