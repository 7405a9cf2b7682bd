"""The histogram's drawing: bars that are links to their steps of time."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.translation import ngettext

from neural.kit.charts import Bar, bar_of, standing
from neural.runs.admin.runs_list.asked import Asked
from neural.runs.figures import Histogram

WIDTH, HEIGHT = 600, 60
SHORTEST = 2.0


@dataclass(frozen=True, kw_only=True)
class StepBar:
    """A step of time: its bar, and the rectangle of the whole step, which can be chosen also where
    nothing was."""

    bar: Bar
    hit: Bar
    since: str
    until: str
    address: str
    is_empty: bool


@dataclass(frozen=True)
class Drawing:
    """The bars and the times at both ends; ``sampled`` as in
    :class:`neural.runs.figures.Histogram`."""

    bars: Sequence[StepBar]
    begins: str
    ends: str
    sampled: int | None


def drawn(histogram: Histogram, asked: Asked) -> Drawing:
    """The drawing of a histogram."""
    steps = histogram.steps
    moments = [steps.first + steps.step * n for n in range(steps.number + 1)]
    return Drawing(
        _bars(histogram, moments, asked),
        _moment_text(moments[0]),
        _moment_text(moments[-1]),
        histogram.sampled,
    )


def _bars(histogram: Histogram, moments: Sequence[dt.datetime], asked: Asked) -> list[StepBar]:
    top = max(histogram.counts, default=0) or 1
    width = WIDTH / len(histogram.counts)
    found = []
    for n, count in enumerate(histogram.counts):
        since, until = moments[n].isoformat(), moments[n + 1].isoformat()
        title = _title(count, moments[n], moments[n + 1])
        found.append(
            StepBar(
                bar=standing(
                    n, count / top, step=width, height=HEIGHT, shortest=SHORTEST, title=title
                ),
                hit=bar_of("hit", n * width, 0, width, HEIGHT),
                since=since,
                until=until,
                address=asked.address(period="", since=since, until=until),
                is_empty=not count,
            )
        )
    return found


def _title(count: int, since: dt.datetime, until: dt.datetime) -> str:
    text = ngettext(
        "%(since)s to %(until)s: %(count)d run", "%(since)s to %(until)s: %(count)d runs", count
    )
    return text % {"since": _moment_text(since), "until": _moment_text(until), "count": count}


def _moment_text(moment: dt.datetime) -> str:
    return timezone.localtime(moment).strftime("%m-%d %H:%M")
