"""The stores of a platform's orders.

A code may be given to another store. Where a platform's ids are unique, an order stays with the
store that has it, whatever store its code leads to by now. Orders that happened since the code is
the other store's are moved by a person: each event is submitted there under an id that ends with
``~moved-1-in``, and another, ``~moved-1-out``, undoes it where it was. Both have its time, so they
are newer than it and older than what follows.

Events that came another way are never taken for a webhook's, whatever source they name: their runs
tell who submitted them.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from neural.events.submit import submit_many
from neural.hooks.incoming.recording import PUSHED, aware, by_webhook
from neural.hooks.models import StoreCode, WebhookSource
from neural.hooks.platforms.base import PLATFORMS, Translated
from neural.models import NeuralEvent

_OF_ORDERS: tuple[str, ...] = ("order.stated", "order.status_changed", "delivery.updated")
_OF_ORDERS += ("payment.stated", "refund.stated", "settlement.stated")
_MOVED = re.compile(r"~moved-([1-9][0-9]?)-(in|out)\Z")


def events_about(events: QuerySet[NeuralEvent], subject: str) -> list[NeuralEvent]:
    """Those of these events whose ids begin with this subject and a colon."""
    begin = f"{subject}:"
    # What follows is a number or a hexadecimal digest, whatever the database's collation.
    found = events.filter(event_id__gte=begin, event_id__lt=f"{begin}g")
    return [each for each in found.order_by("pk") if each.event_id.startswith(begin)]


def events_of(source: WebhookSource) -> QuerySet[NeuralEvent]:
    """The events that pushes of a webhook source told. Of old ones the runs are deleted: then
    those of stores to which the source leads, or led."""
    stores = {source.store_id, *chain(*source.store_codes.values_list("store", "former"))}
    pushed = Q(runs__requested_by=by_webhook(source.name)) | Q(runs=None, store__in=stores - {None})
    rows = NeuralEvent.objects.filter(pushed, source=source.name, unhandled=False)
    return rows.exclude(type=PUSHED)


def stores_for(
    source: WebhookSource | None, events: Sequence[Translated], *, of_push: str
) -> list[str]:
    """The stores of events that a push of this store tells: the one that has the order, else the
    one to which the push's code led when the first of them happened. If several have it, the one
    to which it was moved last, else the one that had it first."""
    if source is None or not events:
        return [of_push] * len(events)
    leading = source.store_codes.filter(Q(store=of_push) | Q(former=of_push))
    codes = list(leading.select_related("store"))
    at = min(filter(None, (aware(each.occurred_at) for each in events)), default=None)
    otherwise = codes[0].store_at(at) if at and len(codes) == 1 else of_push
    platform = PLATFORMS.find(source.platform)
    if platform is None or not platform.ids_are_unique:
        return [otherwise] * len(events)
    orders = [_order_in(each.payload) for each in events]
    stores = {order: _store_with(source, order) or otherwise for order in {*orders}}
    return [stores[order] for order in orders]


def _store_with(source: WebhookSource, order: str) -> str:
    stores = {(-1, 0): ""}
    for each in events_about(events_of(source).defer("payload"), order) if order else ():
        moved = _MOVED.search(each.event_id)
        if not moved or moved[2] == "in":
            stores[int(moved[1]) if moved else 0, -each.pk] = each.store_id
    return stores[max(stores)]


def _order_in(payload: Mapping[str, Any]) -> str:
    return str(payload.get("order_id") or payload.get("into") or "")


# Moving


def why_not(code: StoreCode) -> str:
    """Why the orders of a code cannot be moved; empty if they can."""
    if code.former is None:
        return f"{code.code} was no other store's before"
    others = StoreCode.objects.filter(source=code.source, store=code.former).exclude(pk=code.pk)
    why = f"the former store of {code.code} has another code of its source: orders name no code"
    return why if others.exists() else ""


def move(code: StoreCode, *, dry_run: bool = False) -> Counter[str]:
    """Move the events of orders between the former and the present store of a code, by the day on
    which each order was first told of; returns how many were ``moved`` and how many ``refused``,
    like those of which the payload is deleted.

    An order that the present store alone has stays: it may have come under another code. It may be
    stopped and repeated at any time.
    """
    places = (code.former_id, code.store_id)
    events = events_of(code.source).filter(type__in=_OF_ORDERS, store__in=places)
    keys = list(events.order_by("pk").values_list("pk", flat=True).distinct())
    belongs = cache(partial(_belongs, code))
    return Counter(_moved(NeuralEvent.objects.get(pk=pk), belongs, dry_run) for pk in keys)


def _belongs(code: StoreCode, order: str) -> str:
    """The store of an order, by its day; empty if it stays where it is."""
    about = events_about(events_of(code.source).defer("payload"), order)
    right = code.store_at(min(each.occurred_at for each in about)) if about else ""
    return right if right in {code.store_id, *(each.store_id for each in about)} else ""


def _moved(event: NeuralEvent, belongs: Callable[[str], str], dry_run: bool) -> str:
    """Move one event, unless it is where it belongs; returns what became of it."""
    order = _order_in(event.payload or {})
    if event.payload is None and event.type.startswith("order."):
        order = event.event_id.partition(":")[0]
    right = belongs(order)
    base = _MOVED.sub("", event.event_id)
    ids = {f"{base}~moved-{n}-{way}": (n, way) for n in range(1, 100) for way in ("in", "out")}
    found = NeuralEvent.objects.filter(source=event.source, event_id__in=ids)
    moves = [(store, *ids[each]) for store, each in found.values_list("store_id", "event_id")]
    here = max((move for store, *move in moves if store == event.store_id), default=[0, "in"])
    if right in ("", event.store_id) or here[1] == "out":
        return "stayed"
    base += f"~moved-{1 + max((number for _, number, _ in moves), default=0)}"
    same = {"source": event.source, "occurred_at": event.occurred_at}
    there = {"type": event.type, "payload": event.payload, "store": right, "event_id": f"{base}-in"}
    undone = {**_undone(event, order), "store": event.store_id, "event_id": f"{base}-out"}
    with transaction.atomic():
        requests, by = (there | same, undone | same), by_webhook(event.source)
        answers = list(submit_many(requests, requested_by=by, entry_point="", strict=None))
        refused = any(answer.is_refused for answer in answers)
        transaction.set_rollback(refused or dry_run)
    return "refused" if refused else "moved"


def _undone(event: NeuralEvent, order: str) -> dict[str, Any]:
    """The event that undoes one: a payment is cancelled, and its order counts nowhere."""
    payload = event.payload or {}
    if event.type in ("payment.stated", "refund.stated"):
        return {"type": event.type, "payload": {**payload, "status": "cancelled"}}
    named = {name: payload[name] for name in ("till", "day") if name in payload}
    status = {"order_id": order, "status": "voided", "reason": "moved to another store"}
    return {"type": "order.status_changed", "payload": named | status}
