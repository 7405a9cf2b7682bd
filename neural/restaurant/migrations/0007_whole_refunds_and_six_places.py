"""Refunds of whole orders, exchanges for less, and quantities of six places."""

import decimal
from typing import Any

from django.db import migrations, models
from django.db.models import F

import neural.online
import neural.restaurant.models.amounts


def mark_orders(apps: Any, schema_editor: Any) -> None:
    """Mark the orders of which more was given back than was paid, but for exchanges."""
    orders = apps.get_model("neural_restaurant", "Order").objects.using(
        schema_editor.connection.alias
    )
    above = orders.filter(unsettled=False, refunded__gt=F("paid") + F("tips"))
    above.exclude(lines__state="returned").update(unsettled=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0006_numbers_in_versions")]

    operations = [
        neural.online.AddColumn(
            model_name="order",
            name="exchanged",
            field=models.DecimalField(
                db_default=decimal.Decimal(0),
                decimal_places=3,
                default=decimal.Decimal(0),
                max_digits=18,
                verbose_name="taken back above the bill",
            ),
        ),
        neural.online.AddColumn(
            model_name="payment",
            name="stated_amount",
            field=models.DecimalField(
                blank=True,
                decimal_places=3,
                help_text="The refund gives back what others left of this.",
                max_digits=12,
                null=True,
                verbose_name="stated for the whole order",
            ),
        ),
        neural.online.WidenColumn(
            model_name="orderline",
            name="quantity",
            field=neural.restaurant.models.amounts.QuantityField(
                decimal_places=6, max_digits=15, verbose_name="quantity"
            ),
        ),
        neural.online.WidenColumn(
            model_name="stocklevel",
            name="level",
            field=neural.restaurant.models.amounts.QuantityField(
                db_default=decimal.Decimal(0),
                decimal_places=6,
                default=decimal.Decimal(0),
                max_digits=15,
                verbose_name="level",
            ),
        ),
        neural.online.WidenColumn(
            model_name="stocklevel",
            name="threshold",
            field=neural.restaurant.models.amounts.QuantityField(
                blank=True,
                decimal_places=6,
                max_digits=15,
                null=True,
                verbose_name="threshold",
            ),
        ),
        migrations.RunPython(mark_orders, migrations.RunPython.noop),
    ]
