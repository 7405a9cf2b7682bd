"""The home's figures: its two charts, and the tiles with one figure each."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from neural.health.findings import COUNTED
from neural.health.findings import span as span_text
from neural.health.situation import Situation
from neural.kit import charts
from neural.kit.charts import line_of
from neural.models import TaskRun
from neural.monitoring.console.page import Viewer
from neural.monitoring.console.spans import (
    DAY,
    HOUR,
    ByQueue,
    Timeline,
    all_queues,
    failed_share,
    floor,
)
from neural.monitoring.console.tables import in_order, merged
from neural.monitoring.console.texts import clock, counted, per_cent, rate, rough
from neural.monitoring.rollups import reading
from neural.monitoring.rollups.histograms import quantile
from neural.queues import HIGH_PRIORITY_QUEUE
from neural.queues.state import WaitLimits

MOST_STEPS = 84
"""A week of hours is drawn in columns of two hours."""
OTHER_QUEUES = "/"
"""In place of a queue's name: all that have no colour of their own."""
ROWS_SHOWN = 20
"""Queues whose waits are listed: the latest ones."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
TABLE_ROWS = 12
"""Rows of the tables for those who do not see the drawings."""
UNUSUAL = 3
"""A share of failures is unusual from so many times the usual one on, and from 5 %."""
BAD_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class FlowChart:
    """Runs that ended, stacked by queue, with failed attempts on top."""

    stack: charts.Stack
    legend: Sequence[tuple[str, str]]
    """The kind and label of each series."""
    axis: Sequence[str]
    top: str
    title: str
    rows: Sequence[tuple[str, Sequence[str]]]
    """For those who do not see it: moments and the values of the series."""
    is_empty: bool


def flow_chart(timeline: Timeline) -> FlowChart:
    """The chart of a span, in runs a minute."""
    queues = _drawn(timeline.total)
    if len(queues) < len(timeline.total):
        timeline = _with_others(timeline, queues)
        queues = [*queues, OTHER_QUEUES]
    names = [*queues, charts.FAILED]
    drawn = _columns(timeline, MOST_STEPS)
    kinds = charts.kinds_of(names)
    titles = [_titled(text, each, names) for text, each in drawn]
    stack = charts.stack_of([each for _, each in drawn], titles, names)
    return FlowChart(
        stack=stack,
        legend=[(kinds[name], _label(name)) for name in names],
        axis=_axis([text for text, _ in drawn]),
        top=rate(stack.top),
        title=_("Runs finished a minute by queue, %(span)s") % {"span": timeline.span.long},
        rows=[
            (text, [rate(each.get(name, 0)) for name in names])
            for text, each in _columns(timeline, TABLE_ROWS)
        ],
        is_empty=not any(any(each.values()) for _, each in drawn),
    )


def _columns(timeline: Timeline, most: int) -> list[tuple[str, dict[str, float]]]:
    """At most so many columns: the moment of each, and its runs a minute by queue."""
    every = -(-len(timeline.steps) // most)
    minutes = timeline.span.step * every / dt.timedelta(minutes=1)
    steps = merged(timeline.steps, every)
    return [
        (text, _column(step, minutes))
        for text, step in zip(_clocks(timeline, every), steps, strict=True)
    ]


def _clocks(timeline: Timeline, every: int) -> list[str]:
    with_day = timeline.span.step * len(timeline.steps) > DAY
    return [clock(moment, with_day=with_day) for moment in timeline.moments[::every]]


def _drawn(total: ByQueue) -> list[str]:
    """The queues that are drawn one by one: all, or the busiest if there are more than colours."""
    queues = in_order(total)
    if len(queues) <= charts.OTHERS:
        return queues
    busiest = sorted(queues, key=lambda queue: -total[queue].succeeded)[: charts.OTHERS - 1]
    return [queue for queue in queues if queue in busiest]


def _with_others(timeline: Timeline, drawn: Collection[str]) -> Timeline:
    """The timeline with all queues that are not drawn as one."""
    steps = []
    for step in timeline.steps:
        drawn_ones = {queue: each for queue, each in step.items() if queue in drawn}
        others = {queue: each for queue, each in step.items() if queue not in drawn}
        steps.append(drawn_ones | ({OTHER_QUEUES: all_queues(others)} if others else {}))
    return Timeline(timeline.span, timeline.moments, steps)


def _column(step: ByQueue, minutes: float) -> dict[str, float]:
    found = {queue: each.succeeded / minutes for queue, each in step.items()}
    return found | {charts.FAILED: sum(each.failed for each in step.values()) / minutes}


def _label(name: str) -> str:
    if name == OTHER_QUEUES:
        return _("other queues")
    return pgettext("series", "failed attempts") if name == charts.FAILED else name


def _titled(text: str, values: dict[str, float], names: Sequence[str]) -> str:
    """A column in words: 14:05: high_priority 12, failed attempts 1."""
    parts = [f"{_label(name)} {rate(values[name])}" for name in names if values.get(name)]
    return _("%(moment)s: %(values)s") % {"moment": text, "values": _(", ").join(parts) or "0"}


def _axis(texts: Sequence[str]) -> Sequence[str]:
    quarter = max(len(texts) // 4, 1)
    return [*texts[::quarter][:4], _("now")]


@dataclass(frozen=True, kw_only=True)
class WaitRow:
    """How long runs of a queue waited."""

    queue: str
    values: Sequence[str]
    """p50, p95, p99 as texts."""
    limit: str
    is_late: bool
    is_chosen: bool


@dataclass(frozen=True, kw_only=True)
class WaitChart:
    """Quantiles of the wait: of every queue as figures, of one as lines."""

    rows: Sequence[WaitRow]
    more: int
    """How many queues are not among the rows."""
    queue: str
    plot: charts.LogPlot
    scale: Sequence[str]
    axis: Sequence[str]
    title: str


def wait_chart(
    timeline: Timeline, limits: Callable[[str], WaitLimits], *, chosen: str
) -> WaitChart | None:
    """How long runs waited until they started; None if none started. Without a chosen queue, the
    first one that has figures is drawn."""
    total = timeline.total
    queues = [queue for queue in in_order(total) if any(total[queue].wait)]
    if not queues:
        return None
    queue = chosen if chosen in queues else queues[0]
    every = -(-len(timeline.steps) // MOST_STEPS)
    steps = merged(timeline.steps, every)
    lines = {
        name: [quantile(step[queue].wait, share) if queue in step else None for step in steps]
        for name, share in QUANTILES.items()
    }
    plot = charts.log_plot(lines, limit=limits(queue).warning)
    rows = [_wait_row(each, total, queue, limits(each).warning) for each in queues]
    if len(rows) > ROWS_SHOWN:
        rows.sort(key=lambda row: (not row.is_chosen, not row.is_late))
    return WaitChart(
        rows=rows[:ROWS_SHOWN],
        more=len(rows[ROWS_SHOWN:]),
        queue=queue,
        plot=plot,
        scale=[rough(each) if each < 1 else span_text(each) for each in plot.ticks],
        axis=_axis(_clocks(timeline, every)),
        title=_("Wait until started on %(queue)s, %(span)s: p50, p95 and p99; dashed: the limit")
        % {"queue": queue, "span": timeline.span.long},
    )


def _wait_row(queue: str, total: ByQueue, chosen: str, limit: float) -> WaitRow:
    values = [quantile(total[queue].wait, share) for share in QUANTILES.values()]
    return WaitRow(
        queue=queue,
        values=[rough(each) for each in values],
        limit=rough(limit),
        is_late=(values[-1] or 0) > limit,
        is_chosen=queue == chosen,
    )


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A tile. ``line`` is drawn, ``line_title`` says what it shows."""

    name: str
    title: str
    value: str
    unit: str = ""
    below: str = ""
    line: Sequence[str] = ()
    line_title: str = ""
    is_bad: bool = False
    link: str = ""


def events_tile(viewer: Viewer, now: dt.datetime) -> Tile:
    """Events a minute: those of this hour, and of the last one as far as it lies within 60 min."""
    hour = floor(now, HOUR)
    found = reading.events_by_hour(hour - DAY, hour + HOUR, stores=viewer.stores)
    hours = [sum(found.get(hour - HOUR * (24 - n), {}).values()) for n in range(25)]
    elapsed = (now - hour) / HOUR
    in_an_hour = hours[-1] + hours[-2] * (1 - elapsed)
    number = round(in_an_hour)
    below = ngettext("%(count)s in the last hour", "%(count)s in the last hour", number)
    return Tile(
        name="events",
        title=_("Events"),
        value=rate(in_an_hour / 60),
        unit=_("a minute"),
        below=below % {"count": f"{number:,}"},
        line=line_of(hours[1:]),
        line_title=_("Events by hour, the last 24 hours"),
    )


def failed_tile(recent: Timeline, usual: float | None) -> Tile:
    """Failed attempts in per cent of all."""
    figures = all_queues(recent.total)
    share = failed_share(figures)
    about = {"failed": f"{figures.failed:,}", "attempts": f"{figures.attempts:,}"}
    below = [_("%(failed)s of %(attempts)s") % about]
    if usual is not None:
        below.append(_("usually %(share)s %%") % {"share": per_cent(usual)})
    return Tile(
        name="failed",
        title=_("Failed attempts"),
        value=per_cent(share),
        unit="%" if share is not None else "",
        below=" · ".join(below),
        line=line_of([failed_share(all_queues(step)) for step in recent.steps]),
        line_title=_("Share of failed attempts, %(span)s") % {"span": recent.span.long},
        is_bad=share is not None and share >= max(BAD_SHARE, UNUSUAL * (usual or 0)),
    )


def dead_tile(viewer: Viewer, day: Timeline, groups: int | None) -> Tile:
    """Dead letters: how many there are, how many are new, and their groups."""
    number = dead_runs(viewer)
    new = all_queues(day.total).dead
    below = [
        ngettext("%(count)s new in 24 h", "%(count)s new in 24 h", new) % {"count": f"{new:,}"}
    ]
    if groups:
        below.append(ngettext("%(count)d group", "%(count)d groups", groups) % {"count": groups})
    runs = viewer.lists.get("neural.taskrun", "")
    return Tile(
        name="dead",
        title=_("Dead letters"),
        value=counted(number),
        unit=pgettext("unit", "runs"),
        below=" · ".join(below),
        line=line_of([all_queues(step).dead for step in day.steps]),
        line_title=_("New dead letters by hour, the last 24 hours"),
        is_bad=bool(new),
        link=f"{runs}?state=dead&period=all" if runs else "",
    )


def dead_runs(viewer: Viewer) -> int:
    """How many runs are dead in the viewer's stores, up to COUNTED."""
    dead = Situation(viewer.stores).mine(TaskRun.objects.dead(), "-pk")
    return len(dead.order_by("-pk").values_list("pk")[:COUNTED])


def wait_tile(recent: Timeline, limits: Callable[[str], WaitLimits]) -> Tile:
    """How long urgent runs wait until they start."""
    queue = HIGH_PRIORITY_QUEUE
    figures = recent.total.get(queue)
    wait = figures.wait if figures else ()
    worst, middle = quantile(wait, 0.99), quantile(wait, 0.5)
    limit = limits(queue).warning
    return Tile(
        name="wait",
        title=_("Urgent wait, p99"),
        value=rough(worst),
        below=_("p50 %(middle)s · limit %(limit)s")
        % {"middle": rough(middle), "limit": rough(limit)},
        line=line_of(
            [quantile(step[queue].wait, 0.99) if queue in step else None for step in recent.steps]
        ),
        line_title=_("Wait until started on %(queue)s, p99, %(span)s")
        % {"queue": queue, "span": recent.span.long},
        is_bad=worst is not None and worst > limit,
    )


def silent_tile(silent: Sequence[Any], total: int) -> Tile:
    """Stores that have sent nothing although they usually do."""
    number = len(silent)
    about = {"count": f"{total:,}"}
    return Tile(
        name="silent",
        title=_("Silent stores"),
        value=f"{number:,}",
        unit=ngettext("of %(count)s store", "of %(count)s stores", total) % about,
        below=silent[0].text if silent else _("every store sends"),
        is_bad=bool(number),
        link="#console-silent",
    )
