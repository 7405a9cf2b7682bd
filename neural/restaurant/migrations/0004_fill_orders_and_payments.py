"""Fills the new columns of existing rows, in slices, while workers run."""

import logging
from functools import cache, partial
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
    orders, payments = (apps.get_model("neural_restaurant", name) for name in ("Order", "Payment"))
    store_of = cache(lambda code: stores.get(pk=code))
    for fill_rows in (
        partial(fill_orders, orders, using=using),
        partial(fill_payments, payments, store_of, using=using),
    ):
        try:
            fill_rows()
        except RowsHeld as error:
            # The command that is to be run anyway, after the last old worker, fills them.
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
