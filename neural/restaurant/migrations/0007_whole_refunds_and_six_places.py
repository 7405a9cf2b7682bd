"""Refunds of whole orders, exchanges for less, and quantities of six places."""

import decimal
from functools import partial
from typing import Any

from django.db import migrations, models
from django.db.models import Case, Exists, F, OuterRef, Q, Sum, When
from django.db.models.functions import Round

import neural.kit.online
import neural.restaurant.models.amounts


def mark_orders(apps: Any, schema_editor: Any) -> None:
    """Say what exchanges took back above their bills, and mark the orders of which more than that
    was given back above what was paid."""
    orders = apps.get_model("neural_restaurant", "Order").objects
    lines = apps.get_model("neural_restaurant", "OrderLine").objects.filter(order=OuterRef("pk"))
    is_exchange, more_went_back = Exists(lines.filter(state="returned")), _above("paid", "tips")
    concerned = orders.using(schema_editor.connection.alias).filter(
        Q(is_exchange) | Q(more_went_back)
    )
    neural.kit.online.in_slices(concerned, partial(_mark, lines, is_exchange))


def _above(*columns: str) -> Any:
    above = F("refunded")
    for name in columns:
        above -= F(name)
    return models.lookups.GreaterThan(Round(above, 3), decimal.Decimal(0))


def _mark(lines: Any, is_exchange: Any, orders: Any) -> None:
    more = Sum(Case(When(state="returned", then="amount"), default=-F("amount")))
    taken_back = lines.order_by().values("order").annotate(more=more).values("more")
    orders.filter(is_exchange).update(exchanged=Round(F("items") + taken_back, 3))
    orders.filter(_above("paid", "tips", "exchanged")).update(unsettled=True)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("neural_restaurant", "0006_numbers_in_versions")]

    operations = [
        neural.kit.online.AddColumn(
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
        neural.kit.online.AddColumn(
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
        neural.kit.online.WidenColumn(
            model_name="orderline",
            name="quantity",
            field=neural.restaurant.models.amounts.QuantityField(
                decimal_places=6, max_digits=15, verbose_name="quantity"
            ),
        ),
        neural.kit.online.WidenColumn(
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
        neural.kit.online.WidenColumn(
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
