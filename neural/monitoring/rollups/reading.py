"""Reads figures for pages, alerts and metrics. It never reads the ledger, so its cost does not grow
with history."""

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.db.models import Aggregate, Model, OuterRef, Q, QuerySet, Subquery, Sum, TextField

from neural.models import Store
from neural.monitoring.models import (
    EventFigures,
    HourFigures,
    MinuteFigures,
    ReadMark,
    TotalEvents,
    TotalFigures,
)
from neural.monitoring.models.figures import EVERY_STORE
from neural.monitoring.rollups import folding
from neural.monitoring.rollups.histograms import Histogram
from neural.runs.figures import Steps
from neural.runs.query import RunQuery

Row = TypeVar("Row", bound=Model)

MARKS = (folding.MARK, *folding.MARKS)
"""The marks that say up to when everything is counted."""
HOUR = dt.timedelta(hours=1)
KNOWN = {"period", "since", "until", "work", "queue", "store"}
"""Limits of a query that figures know."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Counts of runs and attempts in a span of time."""

    submitted: int = 0
    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    wait: Histogram = field(default_factory=list)
    duration: Histogram = field(default_factory=list)

    @property
    def attempts(self) -> int:
        """Attempts that ended: those that succeeded and those that failed."""
        return self.succeeded + self.failed


Key = tuple[str, ...]
"""The values of the fields named in ``by``, in their order."""


def by_minute(
    since: dt.datetime, until: dt.datetime, *, by: Sequence[str] = ("queue",)
) -> Mapping[dt.datetime, Mapping[Key, Figures]]:
    """Figures of each minute in [since, until), by ``queue``, ``work``, both or nothing (the empty
    key). Minutes in which nothing happened are left out."""
    rows = MinuteFigures.objects.filter(minute__gte=since, minute__lt=until)
    return _by_time(rows, "minute", by)


def by_hour(
    since: dt.datetime,
    until: dt.datetime,
    *,
    by: Sequence[str] = ("queue",),
    stores: Collection[str] | None = None,
) -> Mapping[dt.datetime, Mapping[Key, Figures]]:
    """The same by hour, of these stores alone (None: of everything); ``by`` may name
    ``store_code``, too."""
    rows = HourFigures.objects.filter(hour__gte=since, hour__lt=until)
    if stores is None and "store_code" not in by:
        return _by_time(rows.filter(store_code=EVERY_STORE), "hour", by)
    own = rows.exclude(store_code=EVERY_STORE)
    return _by_time(_of_stores(own, stores), "hour", by)


def events_by_hour(
    since: dt.datetime, until: dt.datetime, *, stores: Collection[str] | None = None
) -> Mapping[dt.datetime, Mapping[str, int]]:
    """Received events of each hour in [since, until), by store code."""
    rows = _of_stores(EventFigures.objects.filter(hour__gte=since, hour__lt=until), stores)
    found: dict[dt.datetime, dict[str, int]] = {}
    sums = rows.values_list("hour", "store_code").annotate(Sum("events")).order_by("hour")
    for hour, store, number in sums:
        found.setdefault(hour, {})[store] = number
    return found


def last_events(stores: Collection[str] | None = None) -> Mapping[str, dt.datetime]:
    """When each store's last event was received (to the second), by store code. Stores without a
    counted event are left out."""
    newest = EventFigures.objects.filter(store_code=OuterRef("pk")).order_by("-hour", "-last_at")
    chosen = Store.objects.all() if stores is None else Store.objects.filter(pk__in=stores)
    # One index lookup a store, however long its history is.
    found = chosen.values_list("pk", Subquery(newest.values("last_at")[:1]))
    return {code: last_at for code, last_at in found if last_at}


def totals() -> Mapping[tuple[str, str], Figures]:
    """Figures since the first run, by queue and work: they never fall."""
    rows = TotalFigures.objects.values_list("queue", "work", *_FIGURES)
    return {(queue, work): _figures(values) for queue, work, *values in rows}


def event_totals() -> Mapping[str, int]:
    """Events since the first one, by type."""
    return dict(TotalEvents.objects.values_list("event_type", "events"))


def counted_until() -> dt.datetime | None:
    """Up to when figures are complete: what had committed by then is counted. None if relays never
    added up."""
    marks = ReadMark.objects.filter(pk__in=MARKS).values_list("read_at", flat=True)
    times = [read_at for read_at in marks if read_at]
    return min(times) if len(times) == len(MARKS) else None


def counted_since() -> dt.datetime | None:
    """The first hour of which there are figures; None if there are none."""
    return HourFigures.objects.order_by("hour").values_list("hour", flat=True).first()


_COUNTS = ("submitted", "succeeded", "failed", "lost", "dead")
_HISTOGRAMS = ("wait", "duration")
_FIGURES = (*_COUNTS, *_HISTOGRAMS)


class _Joined(Aggregate):
    """All lists of a JSON column, as the text of one JSON list without its brackets: decoding
    thousands of lists one by one takes longer than adding them up."""

    template = "GROUP_CONCAT(%(expressions)s)"
    output_field = TextField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "string_agg((%(expressions)s)::text, ',')"
        return self.as_sql(compiler, connection, template=template, **context)


def _of_stores(rows: QuerySet[Row], stores: Collection[str] | None) -> QuerySet[Row]:
    return rows if stores is None else rows.filter(store_code__in=stores)


def _by_time(
    rows: QuerySet[Any], time: str, by: Sequence[str]
) -> dict[dt.datetime, dict[Key, Figures]]:
    sums = {f"{name}_sum": Sum(name) for name in _COUNTS}
    lists = {f"{name}_lists": _Joined(name) for name in _HISTOGRAMS}
    found: dict[dt.datetime, dict[Key, Figures]] = {}
    grouped = rows.order_by(time).values_list(time, *by).annotate(**sums, **lists)
    for at, *values in grouped:
        key, counts = tuple(values[: len(by)]), values[len(by) :]
        *numbers, wait, duration = counts
        of_time = found.setdefault(at, {})
        of_time[key] = _figures([*numbers, _sum_of(wait), _sum_of(duration)])
    return found


def _sum_of(lists: str) -> list[int]:
    return [sum(counts) for counts in zip(*filter(None, json.loads(f"[{lists}]")), strict=True)]


def _figures(values: Sequence[Any]) -> Figures:
    return Figures(**dict(zip(_FIGURES, values, strict=True)))


def submitted_by_step(
    query: RunQuery, stores: Sequence[str] | None, steps: Steps
) -> Sequence[int] | None:
    """How many runs were submitted in each step; None if the query has limits that figures do not
    know, or steps for which there are none."""
    if not query.params().keys() <= KNOWN or counted_until() is None:
        return None
    if steps.step % HOUR and stores is not None:
        return None
    own = Q(queue=query.queue) if query.queue else Q()
    own &= Q(work=query.work) if query.work else Q()
    rows, name = _rows_of_steps(stores, steps)
    rows = rows.filter(own, **{f"{name}__gte": steps.first, f"{name}__lt": steps.end})
    counts = [0] * steps.number
    for at, number in rows.order_by().values_list(name).annotate(Sum("submitted")):
        counts[steps.place_of(at)] += number
    return counts


def _rows_of_steps(stores: Sequence[str] | None, steps: Steps) -> tuple[QuerySet[Any], str]:
    if steps.step % HOUR:
        return MinuteFigures.objects.all(), "minute"
    codes = [EVERY_STORE] if stores is None else stores
    return HourFigures.objects.filter(store_code__in=codes), "hour"
