"""Spans of time of the charts, and the figures in them by queue."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from django.utils.translation import gettext_lazy as _

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


LAST_HOUR = Span("hour", _("1 h"), _("the last hour"), MINUTE, 60)
LAST_DAY = Span("day", _("24 h"), _("the last 24 hours"), HOUR, 24)
LAST_WEEK = Span("week", _("7 days"), _("the last 7 days"), HOUR, 7 * 24)


def spans_of(stores: Collection[str] | None) -> Sequence[Span]:
    """The spans to choose from. Figures of single stores are kept by hour."""
    return (LAST_HOUR, LAST_DAY, LAST_WEEK) if stores is None else (LAST_DAY, LAST_WEEK)


@dataclass(frozen=True)
class Timeline:
    """Figures by queue of each step of a span, from the oldest step to the one under way."""

    span: Span
    moments: Sequence[dt.datetime]
    steps: Sequence[ByQueue]

    @property
    def total(self) -> ByQueue:
        """The sum of all steps by queue."""
        return total_of(self.steps)


def timeline(span: Span, *, now: dt.datetime, stores: Collection[str] | None = None) -> Timeline:
    """The figures of a span that ends now."""
    last = floor(now, span.step)
    moments = [last - span.step * (span.steps - 1 - n) for n in range(span.steps)]
    until = last + span.step
    if span.step == MINUTE:
        found = reading.by_minute(moments[0], until, by=("queue",))
    else:
        found = reading.by_hour(moments[0], until, by=("queue",), stores=stores)
    steps = [{key[0]: each for key, each in found.get(m, {}).items()} for m in moments]
    return Timeline(span, moments, steps)


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


def all_queues(figures: ByQueue) -> Figures:
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
