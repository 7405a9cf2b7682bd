"""A cancellation is a status. Orders that were cancelled before there were others get it, so that
a later statement about them does not undo the cancellation."""

from typing import Any

from django.db import migrations
from django.db.models import F


def give_status(apps: Any, schema_editor: Any) -> None:
    orders = apps.get_model("neural_restaurant", "Order").objects.using(
        schema_editor.connection.alias
    )
    orders.filter(cancel_version__gt=F("status_version")).update(
        status="cancelled", status_version=F("cancel_version"), merged_into=""
    )


class Migration(migrations.Migration):
    dependencies = [("neural_restaurant", "0001_first")]

    operations = [migrations.RunPython(give_status, migrations.RunPython.noop)]
