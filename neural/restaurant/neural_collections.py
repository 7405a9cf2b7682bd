"""Registers the collections of orders, dishes and staff."""

from types import ModuleType
from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.restaurant.documents import dishes, orders, staff
from neural.restaurant.sources import Dishes, Orders, Shifts
from neural.retrieval.collections.registry import SearchCollection, register_collection
from neural.retrieval.collections.rows_of_stores import Rows, permission_of


def _register(what: ModuleType, source: Rows, label: Any, **others: Any) -> None:
    register_collection(
        SearchCollection(
            name=what.NAME,
            label=label,
            document=what.document,
            source=source,
            address=source.address,
            permission=permission_of(source.model),
            **others,
        )
    )


_register(orders, Orders(), _("orders"))
_register(dishes, Dishes(), _("dishes"), vectors=("whole", "title"))
_register(staff, Shifts(), _("shifts"))
