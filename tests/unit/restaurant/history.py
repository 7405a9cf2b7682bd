"""Reporting to the built-in handlers what happened, and looking at the rows that result."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models, transaction

from neural.events.registry import Handler, Received, handlers_of
from neural.events.types import event_type
from neural.ledger.work import at_the_end
from neural.models import NeuralEvent, Store
from neural.restaurant.models import (
    Availability,
    DailyDemand,
    DayClose,
    Dish,
    Menu,
    OpeningState,
    Order,
    OrderLine,
    Payment,
    SalesReport,
    Shift,
    StockLevel,
    TimeCard,
)

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
READ_MODELS = (
    *(
        Order,
        OrderLine,
        Payment,
        Dish,
        Menu,
        Availability,
        StockLevel,
        Shift,
        TimeCard,
        OpeningState,
    ),
    *(SalesReport, DailyDemand, DayClose),
)


def at(minutes: float) -> dt.datetime:
    """So many minutes after noon (UTC) of Monday, 2 March 2026."""
    return NOON + dt.timedelta(minutes=minutes)


class Reporter:
    """Records events of one store and has their handlers handle them at once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._count = 0

    def report(
        self,
        kind: str,
        /,
        when: dt.datetime = NOON,
        *,
        event_id: str = "",
        source: str = "till",
        **payload: Any,
    ) -> NeuralEvent:
        """Record and handle one event; returns it, to be reported again."""
        self._count += 1
        event = record(
            self.store, kind, when, event_id or f"event-{self._count:03}", payload, source=source
        )
        handle(event)
        return event


def record(
    store: Store,
    kind: str,
    when: dt.datetime,
    event_id: str,
    payload: dict[str, Any],
    *,
    source: str = "till",
) -> NeuralEvent:
    event = NeuralEvent.objects.create(
        store=store,
        source=source,
        event_id=event_id,
        type=kind,
        payload=payload,
        content_hash="",
        occurred_at=when,
    )
    return NeuralEvent.objects.select_related("store").get(pk=event.pk)


def handle(*events: NeuralEvent) -> None:
    """Handle events as a worker does: one transaction, each event in its savepoint, but those
    of a batch handler together in one."""
    taken: dict[Handler, list[Received[Any]]] = defaultdict(list)
    for event in events:
        data = event_type(event.type).read(event.payload)
        for handler in handlers_of(event.type):
            taken[handler].append(Received(event, data))
    with transaction.atomic(), at_the_end():
        for handler, received in taken.items():
            _give(handler, received)


def _give(handler: Handler, received: list[Received[Any]]) -> None:
    if handler.batch:
        with transaction.atomic():
            handler.function(received)
        return
    for each in received:
        with transaction.atomic():
            handler.call(each)


def rows() -> dict[str, list[str]]:
    """All rows of all read models, without the keys that the order of arrival decides."""
    return {
        model.__name__: sorted(str(row) for row in model.objects.values_list(*columns(model)))
        for model in READ_MODELS
    }


def columns(model: type[models.Model]) -> list[str]:
    names = [field.name for field in model._meta.concrete_fields if field.name != "id"]
    return ["order__key" if name == "order" else name for name in names]


def demand(store: Store) -> dict[tuple[str, str], str]:
    """Quantities by day and dish, as text."""
    found = DailyDemand.objects.filter(store=store)
    return {(str(row.day), row.dish): f"{float(row.quantity):g}" for row in found}


def line(dish: str = "rice", quantity: Any = 1, price: Any = "2.50", **more: Any) -> dict[str, Any]:
    return {"dish": dish, "quantity": quantity, "price": price, **more}


def sold(dish: str = "rice", quantity: Any = 1, **more: Any) -> dict[str, Any]:
    return {"dish": dish, "quantity": quantity, **more}


@contextmanager
def undone() -> Iterator[None]:
    """Whatever is written inside is rolled back."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def in_batches(events: Iterable[NeuralEvent], size: int) -> Iterator[list[NeuralEvent]]:
    waiting = list(events)
    for start in range(0, len(waiting), size):
        yield waiting[start : start + size]
