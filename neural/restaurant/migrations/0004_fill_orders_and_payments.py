"""Fills the new columns of existing rows, in slices, while workers run."""

import logging
from functools import cache
from typing import Any

from django.db import migrations

from neural.restaurant.filling import RowsHeld, fill_orders, fill_payments, restore_keys

logger = logging.getLogger(__name__)


def fill(apps: Any, schema_editor: Any) -> None:
    from neural.models import Store

    using = schema_editor.connection.alias
    # The present class, for its business_day(); only fields that its table has by now are read.
    fields = ("code", "time_zone", "day_ends_at")
    stores = Store.objects.using(using).only(*fields)
    try:
        fill_orders(apps.get_model("neural_restaurant", "Order"), using=using)
        payments = apps.get_model("neural_restaurant", "Payment")
        fill_payments(payments, cache(lambda code: stores.get(pk=code)), using=using)
    except RowsHeld as error:
        # They are read rightly as they are; the command that is to be run anyway fills them.
        logger.warning("event=rows_left_unfilled reason=%r", str(error))


def restore(apps: Any, schema_editor: Any) -> None:
    for name in ("Order", "Payment"):
        model = apps.get_model("neural_restaurant", name)
        restore_keys(model, using=schema_editor.connection.alias)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [
        ("neural_restaurant", "0003_tills_indexes"),
    ]
    operations = [
        migrations.RunPython(fill, restore, elidable=True),
    ]
