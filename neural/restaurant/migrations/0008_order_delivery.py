"""How far an order is on its way."""

import django.core.serializers.json
from django.db import migrations, models

import neural.online


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("neural_restaurant", "0007_sold_out"),
    ]

    operations = [
        neural.online.AddColumn(
            model_name="order",
            name="delivery",
            field=models.JSONField(
                blank=True,
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                encoder=django.core.serializers.json.DjangoJSONEncoder,
                verbose_name="delivery",
            ),
        ),
        neural.online.AddColumn(
            model_name="order",
            name="delivery_version",
            field=models.BinaryField(
                db_default=b"", default=b"", verbose_name="version of the delivery"
            ),
        ),
    ]
