"""Payments say whether they state a time."""

from django.db import migrations, models

import neural.kit.online


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0004_numbers_given_twice")]

    operations = [
        neural.kit.online.AddColumn(
            model_name="payment",
            name="timeless",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Its time is when it was recorded.",
                verbose_name="states no time",
            ),
        ),
    ]
