"""When the runs of a selection were submitted: counts by steps of time, for a small chart.

Apps that keep counts register a source; without one that knows the answer, the newest runs are
looked at.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.utils import timezone

from neural.kit.registry import Registry
from neural.models import TaskRun
from neural.runs.counting import Count
from neural.runs.query import RunQuery
from neural.runs.selecting import Selection

MOST_STEPS = 60
MINUTE = 60
STEPS = tuple(
    dt.timedelta(minutes=minutes)
    for minutes in (1, 2, 5, 10, 30, *(60 * hours for hours in (1, 3, 6, 12, 24, 7 * 24, 28 * 24)))
)


@dataclass(frozen=True, kw_only=True)
class Steps:
    """Equal steps of time from ``first`` on; the last one is under way or the last of a period."""

    first: dt.datetime
    step: dt.timedelta
    number: int

    @property
    def end(self) -> dt.datetime:
        return self.first + self.step * self.number

    def place_of(self, moment: dt.datetime) -> int:
        """The step in which a moment is."""
        return (moment - self.first) // self.step


Source = Callable[[RunQuery, Sequence[str] | None, Steps], Sequence[int] | None]
"""Called with a query, the stores to which it is limited (None: all), and steps of time. Returns
how many runs were submitted in each step; None if it does not know that of such a query."""

RUN_FIGURES: Registry[Source] = Registry("source of figures of runs")


def register_run_figures(name: str, source: Source) -> None:
    """Add a source. Call it in the app's ``ready()``."""
    RUN_FIGURES.add(name, source)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How many runs were submitted in each step. ``sampled`` is the number of the newest runs that
    were looked at if these are not all; None if all were counted."""

    steps: Steps
    counts: Sequence[int]
    sampled: int | None


def histogram(selection: Selection, *, newest: Count, now: dt.datetime) -> Histogram | None:
    """The histogram of a selection whose newest runs are counted; None if there is nothing to
    show."""
    since, until = selection.query.times(now)
    if since is not None:
        steps = steps_between(since, until or now)
        stores = selection.readable_stores
        for source in RUN_FIGURES:
            counts = source(selection.query, stores, steps)
            if counts is not None:
                return Histogram(steps=steps, counts=counts, sampled=None)
    return _of_newest(newest, since, until or now)


def _of_newest(newest: Count, since: dt.datetime | None, until: dt.datetime) -> Histogram | None:
    keys = newest.keys or ()
    times = list(TaskRun.objects.filter(pk__in=keys).values_list("created_at", flat=True))
    if not times:
        return None
    steps = steps_between(since or min(times), until)
    found = Counter(steps.place_of(moment) for moment in times)
    counts = [found[number] for number in range(steps.number)]
    return Histogram(steps=steps, counts=counts, sampled=len(times) if newest.more else None)


def steps_between(since: dt.datetime, until: dt.datetime) -> Steps:
    """At most :data:`MOST_STEPS` and one steps that cover [since, until). They begin at full
    minutes, hours or days of the current time zone."""
    length = max(until - since, STEPS[0])
    step = next((each for each in STEPS if length / each <= MOST_STEPS), length / MOST_STEPS)
    seconds = max(round(step.total_seconds()), MINUTE)
    shift = (timezone.localtime(since).utcoffset() or dt.timedelta()).total_seconds()
    begun = (since.timestamp() + shift) // seconds * seconds - shift
    first = dt.datetime.fromtimestamp(begun, dt.UTC)
    step = dt.timedelta(seconds=seconds)
    return Steps(first=first, step=step, number=max(-((first - until) // step), 1))
