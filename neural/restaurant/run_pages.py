"""What the pages of runs show of this app: which order an event is about, the events of an order or
a payment by the number that people know, and the rows that are written for an event.

Of an event that is pruned, or whose payload its type's schema no longer takes, no row is found.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import singledispatch
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Model, Q, QuerySet, TextField
from django.db.models.fields.json import KT
from django.db.models.functions import Cast
from django.utils.translation import gettext, gettext_lazy
from pydantic import ValidationError

from neural.events.types import EventTypeUnknown, event_type
from neural.kit.keyset import bounded
from neural.kit.keyset.exact import named_exactly
from neural.kit.sites import page_of
from neural.kit.stored_json import depth_of
from neural.models import NeuralEvent, TaskRun
from neural.restaurant import models, schemas
from neural.restaurant.identity import key_of, ticket_day
from neural.restaurant.keys import number_of, payment_key, quoted
from neural.restaurant.models.newest import event_of, version_of
from neural.runs.about import About, register_about
from neural.runs.filters import RunFinder, register_run_finder
from neural.runs.written import WrittenRow, register_written

MOST_ROWS = 20
"""Rows of one kind that are written for an event."""
DEEPEST = 100
"""Payloads that are nested deeper, from before depth was limited, are not decoded."""
OWN_HANDLERS = "neural."
"""How the names of this app's handlers begin."""


def written_by(run: TaskRun, user: Any) -> Sequence[WrittenRow]:
    """The rows that are written for the run's event. The user sees the run, and so its store:
    these rows are of the same store."""
    if run.event is None:
        return ()
    by_run = run.handler.startswith(OWN_HANDLERS)
    return [replace(each, by_run=by_run) for each in rows_of(run.event)]


def rows_of(event: NeuralEvent) -> Sequence[WrittenRow]:
    """The rows that are written for an event, whether its runs have ended or not."""
    data = _payload(event)
    if data is None:
        return ()
    version = version_of(event)
    return [
        WrittenRow(row=row, is_current=_is_current(row, version))
        for rows in _rows(data, event)
        for row in rows[:MOST_ROWS]
    ]


def _payload(event: NeuralEvent) -> Any:
    """What the event states; None if it cannot be read."""
    own = NeuralEvent.objects.filter(pk=event.pk).annotate(text=Cast("payload", TextField()))
    text = own.values_list("text", flat=True).first()
    if text is None or depth_of(text) > DEEPEST:
        return None
    try:
        return event_type(event.type).read(json.loads(text))
    except (ValidationError, EventTypeUnknown):
        return None


def _is_current(row: Model, version: bytes) -> bool | None:
    """Whether any value of the row is still the event's; None for rows that are summed up."""
    names = [each.attname for each in row._meta.concrete_fields if "version" in each.attname]
    return any(bytes(getattr(row, name)) == version for name in names) if names else None


Found = Iterable[QuerySet[Any]]


@singledispatch
def _rows(data: Any, event: NeuralEvent) -> Found:
    """Of an unknown kind, as of feedback, no row is written."""
    return ()


def _orders(event: NeuralEvent, keys: Iterable[str]) -> QuerySet[models.Order]:
    known = models.Order.objects.filter(store=event.store_id, key__in=set(keys))
    return known.defer("bill", "progress", "delivery")


@_rows.register
def _(data: schemas.OrderStated, event: NeuralEvent) -> Found:
    key = key_of(event, data)
    yield _orders(event, [key])
    order = _orders(event, [key]).first()
    if order is not None and order.business_day is not None:
        dishes = {line.dish_code for line in data.lines}
        day = {"store": event.store_id, "day": order.business_day}
        yield models.DailyDemand.objects.filter(**day, dish__in=dishes).order_by("dish")


@_rows.register(schemas.OrderStatusChanged)
@_rows.register(schemas.SettlementStated)
@_rows.register(schemas.DeliveryUpdated)
def _(data: Any, event: NeuralEvent) -> Found:
    yield _orders(event, [key_of(event, data)])


@_rows.register
def _(data: schemas.OrdersMerged, event: NeuralEvent) -> Found:
    yield _orders(event, [key_of(event, data, order_id=each) for each in (data.into, *data.orders)])


@_rows.register(schemas.PaymentStated)
@_rows.register(schemas.RefundStated)
def _(data: Any, event: NeuralEvent) -> Found:
    order = key_of(event, data)
    is_refund = isinstance(data, schemas.RefundStated)
    kind = models.PaymentKind.REFUND if is_refund else models.PaymentKind.PAYMENT
    name = data.refund_id if is_refund else data.payment_id
    day = ticket_day(event, data)
    key = payment_key(payment_id=name, order=order, till=data.till, day=day)
    yield models.Payment.objects.filter(key=key, kind=kind, store=event.store_id)
    yield _orders(event, [order])


@_rows.register
def _(data: schemas.SalesReportPayload, event: NeuralEvent) -> Found:
    day = {"store": event.store_id, "day": data.day}
    yield models.SalesReport.objects.filter(**day).defer("lines", "context")
    yield models.DailyDemand.objects.filter(**day).order_by("dish")


@_rows.register
def _(data: schemas.DayClosed, event: NeuralEvent) -> Found:
    key = {"business_day": data.business_day, "till": data.till, "currency": data.currency}
    yield models.DayClose.objects.filter(store=event.store_id, **key)


@_rows.register
def _(data: schemas.StockPayload, event: NeuralEvent) -> Found:
    yield models.StockLevel.objects.filter(store=event.store_id, item=data.item)


@_rows.register
def _(data: schemas.DishPayload, event: NeuralEvent) -> Found:
    yield models.Dish.objects.filter(store=event.store_id, code=data.dish)


@_rows.register
def _(data: schemas.MenuUpdated, event: NeuralEvent) -> Found:
    yield models.Menu.objects.filter(store=event.store_id)
    codes = {item.dish for item in data.items}
    yield models.Dish.objects.filter(store=event.store_id, code__in=codes).order_by("code")


@_rows.register(schemas.ItemAvailable)
def _(data: Any, event: NeuralEvent) -> Found:
    key = {"dish": data.dish_code, "version": version_of(event)}
    yield models.Availability.objects.filter(store=event.store_id, **key)


@_rows.register
def _(data: schemas.OpeningReported, event: NeuralEvent) -> Found:
    key = {"platform": data.platform, "version": version_of(event)}
    yield models.OpeningState.objects.filter(store=event.store_id, **key)


@_rows.register
def _(data: schemas.ShiftPayload, event: NeuralEvent) -> Found:
    yield models.Shift.objects.filter(store=event.store_id, code=data.shift_id)


@_rows.register
def _(data: schemas.ClockedIn, event: NeuralEvent) -> Found:
    yield models.TimeCard.objects.filter(store=event.store_id, code=data.timecard_id)


ORDER_IDS = ("number", "platform_number", "key")
"""Columns of orders with an id that people type; each is the first one of an index."""
MOST_ORDERS = 5
"""A till may give the same number every day: the newest orders are meant."""
MOST_PAYMENTS = 50


def connect() -> None:
    """Register all of them; called when the app is ready."""
    register_run_finder(ORDER)
    register_run_finder(PAYMENT)
    register_about("neural_restaurant.order", orders_of)
    register_written("neural_restaurant", written_by)


def _events_of_order(user: Any, text: str, most: int) -> list[int]:
    """Of the newest orders with this number or key."""
    # The pages of the admin know which events are about an order.
    from neural.restaurant.admin.order_events import events_of

    found: list[int] = []
    mine = models.Order.objects.for_user(user)
    named = mine.filter(pk__in=orders_named(mine, text, user)[:MOST_ORDERS])
    for order in named.order_by("-pk"):
        payments = order.payments.order_by("-pk")[:MOST_PAYMENTS]
        found += [each.event.pk for each in events_of(order, payments)]
    return found[:most]


def orders_named(rows: QuerySet, text: str, user: Any) -> Sequence[int]:
    """Keys of the orders with this number, platform's number or key, or of which this is the id
    that events have; the newest first."""
    part = quoted(text)
    # A plain key with a slash is an id with one: what stands behind it is no id.
    is_id = Q(key__startswith="/") | ~Q(key__contains="/")
    by_id = named_exactly(rows.filter(is_id), part, ["key__last_part"])
    columns = ORDER_IDS[:-1] if part == text else ORDER_IDS  # else the last part is the whole key
    return sorted({*named_exactly(rows, text, columns), *by_id}, reverse=True)


def _events_of_payment(user: Any, text: str, most: int) -> list[int]:
    """Of payments and refunds with this id."""
    keys = named_exactly(
        models.Payment.objects.for_user(user), text, ["reference"], most=MOST_PAYMENTS
    )
    mine = models.Payment.objects.filter(pk__in=keys)
    wanted = {(*event_of(bytes(version)), store) for version, store in _versions(mine)}
    ids = {event_id for event_id, _source, _store in wanted}
    events = NeuralEvent.objects.for_user(user).filter(event_id__in=ids)
    found = events.values_list("pk", "event_id", "source", "store_id")
    return [pk for pk, *identity in found if tuple(identity) in wanted][:most]


def _versions(payments: Any) -> Iterable[tuple[bytes, str]]:
    found: Iterable[tuple[bytes, str]] = payments.values_list("version", "store_id")
    return found


ORDER = RunFinder(name="order", label=gettext_lazy("order number"), find=_events_of_order)
PAYMENT = RunFinder(name="payment", label=gettext_lazy("payment"), find=_events_of_payment)


def orders_of(events: Sequence[NeuralEvent], user: Any) -> Mapping[int, Sequence[About]]:
    """The orders that events of a page of runs name, with a link if it is clear which one it is."""
    numbers = _numbers(events)
    if not numbers:
        return {}
    known: dict[tuple[str, str], list[int]] = defaultdict(list)
    if user.has_perm("neural_restaurant.view_order"):
        stores = {event.store_id for event in events}
        # Where the key is the id alone, a slash or percent sign in it stands as it is.
        ids = {*map(quoted, numbers.values())} | {n.rpartition("/")[2] for n in numbers.values()}
        rows = models.Order.objects.filter(key__last_part__in=ids, store__in=stores)
        for pk, key, store in rows.order_by().values_list("pk", "key", "store_id")[
            : bounded.MOST_ROWS
        ]:
            known[store, number_of(key)].append(pk)
    named = {}
    for event in events:
        if number := numbers.get(event.pk):
            keys = known[event.store_id, number]
            address = page_of(models.Order, keys[0]) if len(keys) == 1 else ""
            named[event.pk] = [About(gettext("order %(number)s") % {"number": number}, address)]
    return named


def _numbers(events: Sequence[NeuralEvent]) -> dict[int, str]:
    """The order numbers in the payloads. SQLite cannot look into one that is nested too deep; then
    no number of this page is shown."""
    rows = NeuralEvent.objects.filter(pk__in=[event.pk for event in events])
    try:
        with transaction.atomic():
            found = list(rows.values_list("pk", KT("payload__order_id")))
    except DatabaseError:
        return {}
    return {pk: number for pk, number in found if number and isinstance(number, str)}
