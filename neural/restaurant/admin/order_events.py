"""The events about an order, found without reading more than a bounded number of rows."""

import datetime as dt
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from pydantic import ValidationError

from neural.admin.display import DEEPEST
from neural.events.types import event_type, event_types
from neural.kit.keyset.walks import indexes_alone
from neural.kit.stored_json import depth_of
from neural.models import NeuralEvent, TaskRun
from neural.restaurant.identity import key_of
from neural.restaurant.keys import number_of
from neural.restaurant.models import Order, Payment, PaymentKind
from neural.restaurant.models.claims import Claim
from neural.restaurant.models.newest import event_of
from neural.restaurant.schemas import FirstVersion, OrdersMerged, PaymentStated, RefundStated
from neural.restaurant.schemas.tills import OfOrder

MOST_RUNS = 500


def runs_by_event(events: Iterable[NeuralEvent], user: Any) -> Mapping[int, Sequence[TaskRun]]:
    """The runs of these events by the events' keys; none for a user who may view no runs. The
    events are of stores that the user sees, and so are their runs."""
    found: dict[int, list[TaskRun]] = defaultdict(list)
    if not user.has_perm("neural.view_taskrun"):
        return found
    columns = ("event_id", "task", "handler", "task_id", "state")
    runs = TaskRun.objects.filter(event__in=[event.pk for event in events]).only(*columns)
    for run in runs.order_by("event", "handler")[:MOST_RUNS]:
        found[run.event_id or 0].append(run)
    return found


MOST_NEAR = 1000
"""How many events of the store are looked through for further ones about the order."""
MOST_SHOWN = 100

_ABOUT_ORDERS = (OfOrder, OrdersMerged, FirstVersion)
_ASPECTS = {
    "content_version": _("lines and sums"),
    "placed_version": _("time"),
    "day_version": _("business day"),
    "status_version": _("status"),
    "cancel_version": _("cancellation"),
    "settlement_version": _("settlement"),
    "delivery_version": pgettext_lazy("order", "delivery"),
}


@dataclass(frozen=True)
class OrderEvent:
    """An event about the order, what is taken from it, and kind and id of the payment that it
    states."""

    event: NeuralEvent
    gives: Sequence[Any]
    states: tuple[str, str] | None = None


def events_of(order: Order, payments: Iterable[Payment]) -> Sequence[OrderEvent]:
    """The events from which the order's values and its payments were taken, and others about the
    order that the store sent shortly before the newest of these; in the order of time."""
    gives: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for name, label in _ASPECTS.items():
        if version := bytes(getattr(order, name)):
            gives[event_of(version)].append(label)
    for each in order.claims:
        gives[each["event_id"], each["source"]].append(_claimed(each))
    for payment in payments:
        gives[event_of(bytes(payment.version))].append(payment)
    named = _named(order, gives)
    near = _near(order, named)
    found = {event.pk: event for event in [*named, *near]}
    ordered = sorted(found.values(), key=lambda event: (event.occurred_at, event.pk))
    return [
        OrderEvent(event, gives.get(_identity(event), ()), getattr(event, "states", None))
        for event in ordered[-MOST_SHOWN:]
    ]


def _claimed(each: Claim) -> str:
    """What an event says of the order that other events contradict."""
    if each["about"] == "source":
        return _("from the source %(source)s") % {"source": each["says"]}
    local = timezone.localtime(dt.datetime.fromisoformat(each["says"]))
    return _("placed at %(time)s") % {"time": f"{local:%Y-%m-%d %H:%M:%S}"}


def _identity(event: NeuralEvent) -> tuple[str, str]:
    return event.event_id, event.source


def _named(order: Order, identities: Iterable[tuple[str, str]]) -> Sequence[NeuralEvent]:
    wanted = set(identities)
    ids = {event_id for event_id, _source in wanted}
    rows = NeuralEvent.objects.filter(event_id__in=ids, store=order.store_id).defer("payload")
    return [event for event in rows if _identity(event) in wanted]


def _near(order: Order, named: Sequence[NeuralEvent]) -> Iterator[NeuralEvent]:
    """Other events about the order among the store's events up to the newest of these."""
    newest = max((event.pk for event in named), default=None)
    if newest is None:
        return
    rows = NeuralEvent.objects.filter(pk__in=_keys_before(order, newest), type__in=_types())
    texts = rows.annotate(text=Cast("payload", TextField())).filter(_mentions(order))
    for event in texts.defer("payload"):
        event.store = order.store
        if order.key in _keys_in(event):
            yield event


def _keys_before(order: Order, newest: int) -> Sequence[int]:
    """Of the index of stores. Not '=': see :func:`neural.kit.keyset.walks._branch`."""
    store = order.store_id
    rows = NeuralEvent.objects.filter(store__gte=store, store__lte=store, pk__lte=newest)
    with indexes_alone(rows.db):
        return list(rows.order_by("store_id", "-pk").values_list("pk", flat=True)[:MOST_NEAR])


def _types() -> Sequence[str]:
    return [kind.name for kind in event_types() if issubclass(kind.schema, _ABOUT_ORDERS)]


def _mentions(order: Order) -> Q:
    """That a payload's text contains the order's number; one database escapes its signs."""
    number = number_of(order.key)
    return Q(text__contains=number) | Q(text__contains=json.dumps(number)[1:-1])


def _keys_in(event: Any) -> set[str]:
    """The keys of the orders that an event is about; none if its payload cannot be read. Notes on
    the event which payment it states."""
    if event.text is None or depth_of(event.text) > DEEPEST:
        return set()
    try:
        data = event_type(event.type).read(json.loads(event.text))
    except ValidationError:
        return set()
    if isinstance(data, PaymentStated):
        event.states = (PaymentKind.PAYMENT, data.payment_id)
    elif isinstance(data, RefundStated):
        event.states = (PaymentKind.REFUND, data.refund_id)
    if isinstance(data, OrdersMerged):
        return {key_of(event, data, order_id=each) for each in (data.into, *data.orders)}
    return {key_of(event, data)}
