"""Registers the collections that come with the app."""

from django.utils.translation import gettext_lazy as _

from neural.vectors.builtin import dishes, events, orders, staff
from neural.vectors.builtin.sources import Dishes, Events, Orders, Shifts
from neural.vectors.collections import SearchCollection, register_collection

_orders, _dishes, _shifts, _events = Orders(), Dishes(), Shifts(), Events()

register_collection(
    SearchCollection(
        name=orders.NAME,
        label=_("orders"),
        document=orders.document,
        permission="neural.view_order",
        source=_orders,
        address=_orders.address,
    )
)
register_collection(
    SearchCollection(
        name=dishes.NAME,
        label=_("dishes"),
        document=dishes.document,
        permission="neural.view_dish",
        source=_dishes,
        vectors=("whole", "title"),
        address=_dishes.address,
    )
)
register_collection(
    SearchCollection(
        name=staff.NAME,
        label=_("shifts"),
        document=staff.document,
        permission="neural.view_shift",
        source=_shifts,
        address=_shifts.address,
    )
)
register_collection(
    SearchCollection(
        name=events.NAME,
        label=_("events"),
        document=events.document,
        permission="neural.view_neuralevent",
        source=_events,
        address=_events.address,
    )
)
