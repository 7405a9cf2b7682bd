"""Fills the new columns of existing rows, in slices, while workers run."""

from typing import Any

from django.db import migrations

from neural.restaurant.filling import fill_orders, fill_payments, restore_keys


def fill(apps: Any, schema_editor: Any) -> None:
    from neural.models import Store

    using = schema_editor.connection.alias
    # The present class, for its business_day(); only fields that its table has by now are read.
    fields = ("code", "time_zone", "day_ends_at")
    stores = {store.code: store for store in Store.objects.using(using).only(*fields)}
    fill_orders(apps.get_model("neural_restaurant", "Order"), using=using)
    fill_payments(apps.get_model("neural_restaurant", "Payment"), stores, using=using)


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
