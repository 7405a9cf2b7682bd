from django.db import migrations

import neural.kit.exact_json
from neural.kit.online import AddColumn


class Migration(migrations.Migration):
    atomic = False

    dependencies = (("neural_forecasting", "0001_first"),)

    operations = (
        AddColumn(
            "forecast",
            "unconfirmed",
            neural.kit.exact_json.ExactJSONField(
                blank=True,
                help_text="They would move the forecast further, if a person confirmed them.",
                null=True,
                verbose_name="unconfirmed days",
            ),
        ),
        migrations.AlterModelOptions(
            name="forecast",
            options={
                "permissions": (("confirm_forecast", "Can confirm days in doubt"),),
                "verbose_name": "forecast",
                "verbose_name_plural": "forecasts",
            },
        ),
    )
