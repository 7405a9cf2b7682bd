"""What is right: the records of the database as flat facts, and conditions on them.

The labels of a question are conditions (or ids), not copies of records, so that they stay true
whatever the day is and however many orders fill the chain. A condition is a mapping of facts to
values:

- a value: the fact is equal to it, or is a list that holds it;
- ``">5"``, ``"<5"``, ``">=5"``, ``"<=5"``: the fact is a number like this;
- ``"~text"``, ``"^text"``: the fact, as text in lower case, contains this or begins with it.

``day`` is how many days ago something was, in the project's time zone.
"""

import datetime as dt
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.utils import timezone

from neural.models import NeuralEvent, RefusedEvent, TaskRun
from neural.monitoring.models import ErrorGroup
from neural.restaurant.models import Dish, Order, OrderState, Shift

Facts = Mapping[str, Any]


class Truth(NamedTuple):
    """A record: the ids by which a search may return it, when it was, and its facts."""

    ids: frozenset[str]
    store: str
    at: dt.datetime
    facts: Facts

    @property
    def text(self) -> str:
        """All that is known of it, in lower case."""
        return " ".join(_texts(self.facts)).casefold()


def truths() -> dict[str, list[Truth]]:
    """Every record of each collection, the newest first."""
    return {
        name: sorted(read(), key=lambda each: each.at, reverse=True)
        for name, read in _READERS.items()
    }


def fitting(records: Sequence[Truth], right: Sequence[Any]) -> list[Truth]:
    """The records with one of these ids, or that fulfil one of these conditions."""
    return [each for each in records if any(_fits(each, one) for one in right)]


def _fits(record: Truth, one: Any) -> bool:
    if isinstance(one, str):
        return one in record.ids
    return all(_holds(record.facts.get(name), value) for name, value in one.items())


def _holds(fact: Any, value: Any) -> bool:
    if isinstance(value, str) and value.startswith("~"):
        return value[1:].casefold() in " ".join(_texts(fact)).casefold()
    if isinstance(value, str) and value.startswith("^"):
        return any(each.casefold().startswith(value[1:].casefold()) for each in _texts(fact))
    if isinstance(value, str) and value[:1] in ("<", ">"):
        sign, number = (value[:2], value[2:]) if value[1:2] == "=" else (value[:1], value[1:])
        return fact is not None and _SIGNS[sign](float(fact), float(number))
    return value in fact if isinstance(fact, list) else fact == value


_SIGNS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)


def _truth(ids: Iterable[Any], store: str | None, at: dt.datetime, **facts: Any) -> Truth:
    back = (timezone.localdate() - timezone.localtime(at).date()).days
    facts |= {"store": store or "", "day": back}
    return Truth(frozenset(map(str, ids)), store or "", at, facts)


def _orders() -> Iterator[Truth]:
    names = (
        *("number", "channel", "table", "staff", "member", "platform", "platform_number"),
        *("invoice", "note", "cancel_reason"),
    )
    placed = Order.objects.exclude(state=OrderState.EXPECTED).prefetch_related("lines")
    for order in placed.select_related("store"):
        yield _truth(
            [order.key],
            order.store_id,
            order.placed_at,
            **{name: getattr(order, name) for name in names},
            state=_states(order),
            phone=order.phone_last4,
            amount=float(order.total),
            dish=[line.name for line in order.lines.all()],
            store_name=order.store.name,
        )


def _states(order: Order) -> list[str]:
    states = [order.state, str(order.display_status)]
    if order.state == OrderState.PLACED:
        states += ["paid"] if order.paid and order.balance <= 0 else ["unpaid"]
    return states + (["refunded"] if order.refunded else [])


def _events() -> Iterator[Truth]:
    for event in NeuralEvent.objects.all():
        facts = {**(event.payload or {}), "event_id": event.event_id, "type": event.type}
        yield _truth([event.pk], event.store_id, event.occurred_at, **facts)


def _dishes() -> Iterator[Truth]:
    for dish in Dish.objects.all():
        facts = {"code": dish.code, "name": dish.name, "category": dish.category}
        at = timezone.now()
        yield _truth([dish.code], dish.store_id, at, **facts, **dish.details)


def _shifts() -> Iterator[Truth]:
    for shift in Shift.objects.all():
        facts = {"code": shift.code, "name": shift.staff_name, "role": shift.role}
        yield _truth([shift.code], shift.store_id, shift.starts_at, **facts)


def _runs() -> Iterator[Truth]:
    for run in TaskRun.objects.all():
        facts = {"work": run.work_name, "state": run.state, "error": run.error}
        at = run.finished_at or run.created_at
        yield _truth([run.pk, run.task_id], run.store_id, at, **facts)


def _errors() -> Iterator[Truth]:
    for group in ErrorGroup.objects.all():
        facts = {"exception": group.exception, "message": group.message, "frame": group.frame}
        yield _truth([group.pk, group.fingerprint], "", group.last_at, **facts)


def _refused() -> Iterator[Truth]:
    for event in RefusedEvent.objects.all():
        facts = {"event_id": event.event_id, "type": event.type, "payload": event.payload}
        ids = [event.pk, event.fingerprint, event.event_id]
        facts |= {"problems": event.problems}
        yield _truth(ids, event.store_code, event.last_refused_at, **facts)


_READERS: Mapping[str, Callable[[], Iterator[Truth]]] = {
    "orders": _orders,
    "events": _events,
    "dishes": _dishes,
    "staff": _shifts,
    "runs": _runs,
    "errors": _errors,
    "refused": _refused,
}
ALSO_NAMED = {
    "runs": ("runs", "run", "task_runs"),
    "errors": ("errors", "error_groups", "failures"),
    "refused": ("refused", "refused_events", "refusals"),
}
"""Names under which a collection may be registered, the first one that is."""
