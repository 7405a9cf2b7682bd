"""Handlers of dishes, menus and what is sold out.

A dish is available if its newest statement says so, and if that is no older than the newest
complete menu of its store: a complete menu states each dish that it names, and ends the others.
"""

from collections.abc import Iterator, Sequence

from django.utils.translation import gettext_lazy as _

from neural.events.changes import reindex
from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.models import Availability, Dish, Menu
from neural.restaurant.models.newest import newer_known, version_of
from neural.restaurant.schemas import DishPayload, ItemAvailable, ItemSoldOut, MenuUpdated

SLICE = 500
"""How many dishes are written in one statement."""

Stated = tuple[NeuralEvent, DishPayload]


@handles(
    "dish.updated",
    batch=True,
    superseded=newer_known(Dish, code=lambda _, data: data.dish),
    title=_("Record dishes"),
)
def record_dish(received: Sequence[Received[DishPayload]]) -> None:
    """Save the stated dishes, unless a newer statement of a dish is known."""
    stores = {event.store_id for event, _ in received}
    Menu.objects.lock(stores)
    _take([(event, data) for event, data in received], Menu.objects.versions(stores))


_menu_is_older = newer_known(Menu)
_dishes_are_older = newer_known(Dish, code__in=lambda _, menu: {each.dish for each in menu.items})


@handles(
    "menu.updated",
    batch=True,
    superseded=lambda event, menu: (_menu_is_older if menu.complete else _dishes_are_older)(
        event, menu
    ),
    title=_("Record menus"),
)
def record_menu(received: Sequence[Received[MenuUpdated]]) -> None:
    """Save the dishes of menus, unless a newer statement of a dish is known. Dishes that the newest
    complete menu of their store does not name are not available any more."""
    stores = {event.store_id for event, _ in received}
    Menu.objects.lock(stores)
    Menu.objects.take(
        Menu(store=event.store, dishes=len(menu.items), version=version_of(event))
        for event, menu in received
        if menu.complete
    )
    complete = Menu.objects.versions(stores)
    _take([(event, dish) for event, menu in received for dish in menu.items], complete)
    for store, version in complete.items():
        Dish.objects.end_before(store=store, version=version)


def _take(stated: Sequence[Stated], complete: dict[str, bytes]) -> None:
    """Save dishes; ``complete`` are the versions of the newest complete menus by store."""
    rows = sorted(_rows(stated, complete), key=lambda dish: (dish.store_id, dish.code))
    for start in range(0, len(rows), SLICE):
        written = rows[start : start + SLICE]
        if Dish.objects.upsert_many_if_newer(written, key=("store", "code")):
            for store in {dish.store_id for dish in written}:
                codes = {dish.code for dish in written if dish.store_id == store}
                reindex(collection="dishes", store=store, ids=sorted(codes))


def _rows(stated: Sequence[Stated], complete: dict[str, bytes]) -> Iterator[Dish]:
    for event, data in stated:
        version = version_of(event)
        yield Dish(
            store=event.store,
            code=data.dish,
            name=data.name,
            category=data.category,
            price=data.price,
            currency=data.currency,
            available=data.available and version >= complete.get(event.store_id, b""),
            details=data.model_extra or {},
            version=version,
        )


@handles("item.sold_out", "item.available", batch=True, title=_("Record sold-out dishes"))
def record_availability(received: Sequence[Received[ItemSoldOut | ItemAvailable]]) -> None:
    """Save the reports, each as a row of its own."""
    Availability.objects.take([_report(event, data) for event, data in received])


def _report(event: NeuralEvent, data: ItemSoldOut | ItemAvailable) -> Availability:
    until = data.until if isinstance(data, ItemSoldOut) else None
    return Availability(
        store=event.store,
        dish=data.dish_code,
        name=data.name,
        at=event.occurred_at,
        sold_out=isinstance(data, ItemSoldOut),
        until=event.store.localize(until) if until else None,
        reason=data.reason,
        till=data.till,
        version=version_of(event),
    )
