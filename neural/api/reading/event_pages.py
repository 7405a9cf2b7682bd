"""Pages of events by key: cheap whatever the filters are, also for a key of few among many stores.

Events are numbered in the order in which they are recorded. A time is turned into a number by
bisection, so that a page of last year's events reads no newer ones.
"""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet
from ninja import Schema
from pydantic import Field

from neural.api.reading.fields import AskedInstant, StoreCode, text
from neural.api.reading.pages import key_in, page_size
from neural.kit.keyset.bounded import find
from neural.kit.keyset.walks import Place, Walk
from neural.models import NeuralEvent, TaskRun

LIST = "events"
"""What the cursors of this list are called."""
DISORDER = dt.timedelta(minutes=10)
"""Statements that run at the same time number their events in any order. None takes this long."""


class EventFilters(Schema):
    """The parameters of the list of events."""

    store: list[StoreCode] = Field([], max_length=100, description="Of these stores; repeatable.")
    type: text(100, example="order.created") | None = Field(  # type: ignore[valid-type]
        None, description="Of this type."
    )
    source: text(100, example="till-3") | None = Field(  # type: ignore[valid-type]
        None, description="Of this sender within its store."
    )
    event_id: text(200, example="1001") | None = Field(  # type: ignore[valid-type]
        None, description="With this id of the sender's own."
    )
    state: Literal["pending", "running", "succeeded", "dead", "cancelled", "discarded"] | None = (
        Field(None, description="With a run in this state.", examples=["dead"])
    )
    since: AskedInstant | None = Field(None, description="Recorded at or after this.")
    until: AskedInstant | None = Field(None, description="Recorded before this.")
    limit: int | None = Field(
        None, ge=1, le=1000, description="The most events of a page.", examples=[100]
    )
    cursor: text(400) | None = Field(  # type: ignore[valid-type]
        None, description="The member `next` of the page before."
    )


@dataclass(frozen=True)
class EventPage:
    """Events, newest first. ``after`` is the key below which the next page begins, if there is
    one."""

    events: Sequence[NeuralEvent]
    after: int | None


def page(filters: EventFilters, visible: Collection[str] | None) -> EventPage:
    """The page of these filters, within the stores that the caller may see (None: every store)."""
    size = page_size(filters.limit)
    before = key_in(LIST, filters.cursor)
    if before is None and filters.until is not None:
        before = _first_key_at(filters.until + DISORDER)
    lowest = None if filters.since is None else _first_key_at(filters.since - DISORDER)
    stores = _stores(filters, visible)
    found = find(
        _rows(filters, stores, lowest),
        walks=_walks(filters, stores, lowest),
        limits=_limits(filters, stores),
        place=Place(before=before),
        size=size,
    )
    stopped_at = found.keys[-1] if found.stopped_at is None and found.keys else found.stopped_at
    return EventPage(_loaded(found.keys), stopped_at if found.more else None)


def _stores(filters: EventFilters, visible: Collection[str] | None) -> Collection[str] | None:
    if not filters.store:
        return visible
    return {code for code in filters.store if visible is None or code in visible}


def _rows(
    filters: EventFilters, stores: Collection[str] | None, lowest: int | None
) -> QuerySet[NeuralEvent]:
    exact = {name: getattr(filters, name) for name in ("type", "source", "event_id")}
    exact |= {"recorded_at__gte": filters.since, "recorded_at__lt": filters.until}
    exact |= {"pk__gte": lowest}
    wanted = {name: value for name, value in exact.items() if value is not None}
    rows: QuerySet[NeuralEvent] = NeuralEvent.objects.in_stores(stores).filter(**wanted)
    if filters.state is not None:
        runs = TaskRun.objects.filter(event=OuterRef("pk"), state=filters.state)
        rows = rows.filter(Exists(runs))
    return rows


def _walks(
    filters: EventFilters, stores: Collection[str] | None, lowest: int | None
) -> Sequence[Walk]:
    """The indexes that serve the filters, the most selective first."""
    walks = []
    if filters.event_id is not None:
        by_id = Walk(parameter="event_id", column="event_id", order=("store", "source"))
        walks.append(by_id.along(filters.event_id))
    if stores is not None:
        walks.append(Walk(parameter="store", column="store", prefixes=sorted(stores)))
    if filters.type is not None:
        walks.append(Walk(parameter="type", column="type").along(filters.type))
    walks = walks or [Walk()]
    if lowest is None:
        return walks
    return [replace(walk, condition=Q(pk__gte=lowest)) for walk in walks]


def _limits(filters: EventFilters, stores: Collection[str] | None) -> set[str]:
    names = ("type", "source", "event_id", "state", "since", "until")
    limits = {name for name in names if getattr(filters, name) is not None}
    return limits if stores is None else limits | {"store"}


def _loaded(keys: Sequence[int]) -> Sequence[NeuralEvent]:
    runs = TaskRun.objects.only("event_id", "task_id", "handler", "state").order_by()
    rows = NeuralEvent.objects.defer("payload").prefetch_related(Prefetch("runs", runs))
    found = rows.in_bulk(keys)
    return [found[key] for key in keys if key in found]


def _first_key_at(moment: dt.datetime) -> int:
    """The key of the first event recorded at or after a time, as far as keys and times have one
    order; one more than the newest key if there is none."""
    events = NeuralEvent.objects.order_by()
    newest = events.order_by("-pk").values_list("pk", flat=True).first()
    if newest is None:
        return 1
    return _bisect(lambda key: _recorded_at(events, key) >= moment, 1, newest + 1)


def _recorded_at(events: Any, key: int) -> dt.datetime:
    """When the first event at or above this key was recorded."""
    times = events.filter(pk__gte=key).order_by("pk").values_list("recorded_at", flat=True)
    found: dt.datetime = times[:1].get()
    return found


def _bisect(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The first number from ``low`` on for which ``holds``, or ``high``."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
