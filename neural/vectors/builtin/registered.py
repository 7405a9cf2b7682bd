"""Registers the collections that come with the app."""

from types import ModuleType
from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.vectors.builtin import dishes, events, orders, staff
from neural.vectors.builtin.rows_of_stores import Rows
from neural.vectors.builtin.sources import Dishes, Events, Orders, Shifts
from neural.vectors.collections import SearchCollection, register_collection


def _register(what: ModuleType, source: Rows | Events, label: Any, **others: Any) -> None:
    register_collection(
        SearchCollection(
            name=what.NAME,
            label=label,
            document=what.document,
            source=source,
            address=source.address,
            **others,
        )
    )


_register(orders, Orders(), _("orders"), permission="neural.view_order")
_register(dishes, Dishes(), _("dishes"), permission="neural.view_dish", vectors=("whole", "title"))
_register(staff, Shifts(), _("shifts"), permission="neural.view_shift")
_register(events, Events(), _("events"), permission="neural.view_neuralevent")
