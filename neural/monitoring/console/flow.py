"""The home's two charts: runs finished by queue, and how long runs waited."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from neural.health.findings import span as span_told
from neural.health.workers import patience_seconds
from neural.monitoring.console import charts
from neural.monitoring.console.shown import clock, rate, rough
from neural.monitoring.console.spans import DAY, ByQueue, Timeline, all_queues
from neural.monitoring.console.tables import in_order, merged
from neural.monitoring.rollups.histograms import quantile

MOST_STEPS = 84
"""A week of hours is drawn in columns of two hours."""
OTHER_QUEUES = "/"
"""In place of a queue's name: all that have no colour of their own."""
ROWS_SHOWN = 20
"""Queues whose waits are listed: the latest ones."""
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
TABLE_ROWS = 12
"""Rows of the tables for those who do not see the drawings."""


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
    every = -(-len(timeline.steps) // MOST_STEPS)
    steps, moments = merged(timeline.steps, every), timeline.moments[::every]
    minutes = timeline.span.step * every / dt.timedelta(minutes=1)
    names = [*queues, charts.FAILED]
    values = [_column(step, minutes) for step in steps]
    with_day = timeline.span.step * len(timeline.steps) > DAY
    texts = [clock(moment, with_day=with_day) for moment in moments]
    titles = [_titled(text, each, names) for text, each in zip(texts, values, strict=True)]
    kinds = charts.kinds_of(names)
    stack = charts.stack_of(values, titles, names)
    return FlowChart(
        stack=stack,
        legend=[(kinds[name], _label(name)) for name in names],
        axis=_axis(texts),
        top=rate(stack.top),
        title=_("Runs finished a minute by queue, %(span)s") % {"span": timeline.span.long},
        rows=_rows(merged(timeline.steps, -(-len(timeline.steps) // TABLE_ROWS)), timeline, names),
        is_empty=not any(any(each.values()) for each in values),
    )


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
        kept = {queue: each for queue, each in step.items() if queue in drawn}
        others = {queue: each for queue, each in step.items() if queue not in drawn}
        steps.append(kept | ({OTHER_QUEUES: all_queues(others)} if others else {}))
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


def _rows(steps: Sequence[ByQueue], timeline: Timeline, names: Sequence[str]) -> Any:
    every = -(-len(timeline.steps) // TABLE_ROWS)
    minutes = timeline.span.step * every / dt.timedelta(minutes=1)
    with_day = timeline.span.step * len(timeline.steps) > DAY
    moments = [clock(moment, with_day=with_day) for moment in timeline.moments[::every]]
    values = [_column(step, minutes) for step in steps]
    return [
        (moment, [rate(each.get(name, 0)) for name in names])
        for moment, each in zip(moments, values, strict=True)
    ]


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


def wait_chart(timeline: Timeline, *, chosen: str) -> WaitChart | None:
    """How long runs waited until they started; None if none started. Without a chosen queue, the
    first one that has figures is drawn."""
    total = timeline.total
    queues = [queue for queue in in_order(total) if any(total[queue].wait)]
    if not queues:
        return None
    queue = chosen if chosen in queues else queues[0]
    every = -(-len(timeline.steps) // MOST_STEPS)
    steps, moments = merged(timeline.steps, every), timeline.moments[::every]
    lines = {
        name: [quantile(step[queue].wait, share) if queue in step else None for step in steps]
        for name, share in QUANTILES.items()
    }
    plot = charts.log_plot(lines, limit=patience_seconds(queue))
    with_day = timeline.span.step * len(timeline.steps) > DAY
    rows = [_wait_row(each, total, queue) for each in queues]
    if len(rows) > ROWS_SHOWN:
        rows.sort(key=lambda row: (not row.is_chosen, not row.is_late))
    return WaitChart(
        rows=rows[:ROWS_SHOWN],
        more=len(rows[ROWS_SHOWN:]),
        queue=queue,
        plot=plot,
        scale=[_tick(each) for each in plot.ticks],
        axis=_axis([clock(moment, with_day=with_day) for moment in moments]),
        title=_("Wait until started on %(queue)s, %(span)s: p50, p95 and p99; dashed: the limit")
        % {"queue": queue, "span": timeline.span.long},
    )


def _wait_row(queue: str, total: ByQueue, chosen: str) -> WaitRow:
    values = [quantile(total[queue].wait, share) for share in QUANTILES.values()]
    limit = patience_seconds(queue)
    return WaitRow(
        queue=queue,
        values=[rough(each) for each in values],
        limit=rough(limit),
        is_late=(values[-1] or 0) > limit,
        is_chosen=queue == chosen,
    )


def _tick(seconds: float) -> str:
    return rough(seconds) if seconds < 1 else span_told(seconds)
