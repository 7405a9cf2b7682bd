"""Spans of time of the charts, and the figures in them by queue."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property, reduce
from statistics import median
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from neural.monitoring.alerts.rules.silence import like_hours
from neural.monitoring.console.page import remembered
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import added
from neural.monitoring.rollups.reading import Figures

MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)

ByQueue = Mapping[str, Figures]


@dataclass(frozen=True)
class Span:
    """A span of time that ends now, cut into steps."""

    name: str
    label: object
    """Short, for the choice of spans."""
    long: object
    step: dt.timedelta
    steps: int
    cache_seconds: float
    """For how long its figures are kept for all who see the same."""


LAST_HOUR = Span("hour", _("1 h"), _("the last hour"), MINUTE, 60, cache_seconds=5)
LAST_DAY = Span("day", _("24 h"), _("the last 24 hours"), HOUR, 24, cache_seconds=30)
LAST_WEEK = Span("week", _("7 days"), _("the last 7 days"), HOUR, 7 * 24, cache_seconds=600)


def spans_of(stores: Collection[str] | None) -> Sequence[Span]:
    """The spans to choose from. Figures of single stores are kept by hour."""
    return (LAST_HOUR, LAST_DAY, LAST_WEEK) if stores is None else (LAST_DAY, LAST_WEEK)


@dataclass(frozen=True)
class Timeline:
    """Figures by queue of each step of a span, from the oldest step to the one under way."""

    span: Span
    moments: Sequence[dt.datetime]
    steps: Sequence[ByQueue]

    @cached_property
    def total(self) -> ByQueue:
        """The sum of all steps by queue."""
        return total_of(self.steps)


def cached_timeline(
    span: Span, *, now: dt.datetime, stores: Collection[str] | None, key: str
) -> Timeline:
    """The figures of a span that ends now, kept for ``span.cache_seconds`` under a viewer's key:
    those of many works or stores are many rows, and pages in each language need them."""
    moments = moments_of(span, now)

    def read() -> Any:
        return [
            {name: _as_json(each) for name, each in step.items()}
            for step in _read(span, moments, stores)
        ]

    key = f"{key}.{span.name}.{moments[-1]:%Y%m%d%H%M}"
    stored = remembered(key, read, seconds=span.cache_seconds)
    steps = [{name: Figures(**each) for name, each in step.items()} for step in stored]
    return Timeline(span, moments, steps)


def usual_share(span: Span, *, now: dt.datetime, stores: Collection[str] | None) -> float | None:
    """The share of failed attempts that is usual in the hours of a span that ends now: the median
    of the same hours of past weeks. The present ones are left out: an incident is not usual. None
    if there are no figures of a full week."""
    first, last = floor(moments_of(span, now)[0], HOUR), floor(now, HOUR) + HOUR
    counted, shares = reading.counted_since() or now, []
    for begin in like_hours(first, timezone.get_default_timezone()):
        if counted <= begin:
            hours = reading.by_hour(begin, begin + (last - first), stores=stores)
            shares.append(failed_share(reduce(plus, map(all_queues, hours.values()), Figures())))
    return median(known) if (known := [each for each in shares if each is not None]) else None


def _as_json(figures: Figures) -> dict[str, Any]:
    names = (field.name for field in fields(figures))
    found = {name: getattr(figures, name) for name in names}
    return found | {"wait": list(figures.wait), "duration": list(figures.duration)}


def moments_of(span: Span, now: dt.datetime) -> Sequence[dt.datetime]:
    """The beginnings of a span's steps; the last one is under way."""
    last = floor(now, span.step)
    return [last - span.step * (span.steps - 1 - n) for n in range(span.steps)]


def _read(
    span: Span, moments: Sequence[dt.datetime], stores: Collection[str] | None
) -> Sequence[ByQueue]:
    until = moments[-1] + span.step
    if span.step == MINUTE:
        found = reading.by_minute(moments[0], until, by=("queue",))
    else:
        found = reading.by_hour(moments[0], until, by=("queue",), stores=stores)
    return [{key[0]: each for key, each in found.get(m, {}).items()} for m in moments]


def floor(moment: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The beginning of the minute or hour, in UTC."""
    moment = moment.astimezone(dt.UTC).replace(second=0, microsecond=0)
    return moment if step == MINUTE else moment.replace(minute=0)


def total_of(steps: Sequence[ByQueue]) -> ByQueue:
    """The sum by queue."""
    found: dict[str, Figures] = {}
    for step in steps:
        for queue, each in step.items():
            found[queue] = plus(found[queue], each) if queue in found else each
    return found


def all_queues(figures: Mapping[Any, Figures]) -> Figures:
    """The sum over all queues."""
    return reduce(plus, figures.values(), Figures())


def plus(one: Figures, other: Figures) -> Figures:
    """The sum of two figures."""
    return Figures(
        submitted=one.submitted + other.submitted,
        succeeded=one.succeeded + other.succeeded,
        failed=one.failed + other.failed,
        lost=one.lost + other.lost,
        dead=one.dead + other.dead,
        wait=added(one.wait, other.wait),
        duration=added(one.duration, other.duration),
    )


def failed_share(figures: Figures) -> float | None:
    """The share of attempts that failed; None if none ended."""
    return figures.failed / figures.attempts if figures.attempts else None
