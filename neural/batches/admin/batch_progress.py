"""How far a batch is, in words and drawn: its members by state, and some of them on its time."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import badge
from neural.kit.charts import Bar, bar_of
from neural.kit.sites import address_if_there
from neural.models import Batch, BatchOutcome, BatchState, RunState, TaskRun
from neural.personal.redacting import for_user
from neural.runs.admin.run_page.timeline import HEIGHT, WIDTH, Axis, axis_of
from neural.runs.batches import FILTER, members_of
from neural.runs.query import EVER

BARS = {
    RunState.SUCCEEDED: "succeeded",
    RunState.RUNNING: "running",
    RunState.PENDING: "wait",
    RunState.DEAD: "failed",
    RunState.CANCELLED: "lost",
    RunState.DISCARDED: "lost",
}
"""The colours of members in a bar, in its order."""
STANDINGS = {
    BatchState.OPEN: ("pending", _("takes members")),
    BatchState.CLOSED: ("running", _("waits for its members")),
}
ENDINGS = {
    BatchOutcome.SUCCEEDED: "succeeded",
    BatchOutcome.FAILED: "failed",
    BatchOutcome.CANCELLED: "unhandled",
}


def standing_of(batch: Batch) -> SafeString:
    """The state in words."""
    if batch.outcome and batch.state != BatchState.ENDED:
        return badge("unhandled", _("is being cancelled"))
    if batch.outcome:
        return badge(ENDINGS[BatchOutcome(batch.outcome)], batch.get_outcome_display())
    return badge(*STANDINGS[BatchState(batch.state)])


@dataclass(frozen=True)
class Part:
    """The members in one state; ``address`` is that of the list of these runs."""

    label: Any
    count: str
    address: str


@dataclass(frozen=True)
class Progress:
    """``bars`` are empty if the members were not all counted."""

    parts: Sequence[Part]
    bars: Sequence[Bar]


def progress_of(batch: Batch, counts: Mapping[str, int], *, most: int | None = None) -> Progress:
    """What a batch's counts look like. From ``most`` on, a count is not the whole."""
    cut = {state for state in counts if most and counts[state] >= most}
    parts = [
        Part(
            state.label,
            f"{count:,}{'+' if state in cut else ''}",
            runs_address(batch, state),
        )
        for state in BARS
        if (count := counts.get(state, 0))
    ]
    return Progress(parts, [] if cut else list(bars_of(counts, BARS)))


def bars_of(counts: Mapping[str, int], kinds: Mapping[Any, str]) -> Iterator[Bar]:
    """The shares of a whole side by side, in the order of ``kinds``, each in its colour."""
    left, whole = 0.0, sum(counts.values())
    for state, kind in kinds.items():
        if number := counts.get(state):
            width = number / whole * WIDTH
            yield bar_of(kind, left, 0, width, HEIGHT)
            left += width


def runs_address(batch: Batch, state: str = "") -> str:
    """The list of runs with the members of a batch; empty if the site has none."""
    address = address_if_there("neural_taskrun_changelist")
    asked = {FILTER: batch.pk, "period": EVER} | ({"state": state} if state else {})
    return f"{address}?{urlencode(asked)}" if address else ""


@dataclass(frozen=True)
class Member:
    """A member, its error as the user may see it, and the bars of how it waited and worked."""

    run: TaskRun
    error: str
    waited: dt.timedelta
    took: dt.timedelta | None
    bars: Sequence[Bar]


def shown_members(batch: Batch, user: Any, now: dt.datetime) -> list[Member]:
    """The dead and the slow members first, on the axis of the batch's time."""
    axis = axis_of([batch.created_at, batch.ended_at or now])
    return [_member(run, user, axis, now) for run in members_of(batch, user)]


def _member(run: TaskRun, user: Any, axis: Axis, now: dt.datetime) -> Member:
    end = run.finished_at or now
    # Whoever has failed and is retried waits as well.
    started = run.started_at if run.state != RunState.PENDING else None
    begin = started or end
    bars = [axis.bar("wait", run.created_at, begin)]
    if started:
        bars.append(axis.bar(BARS[RunState(run.state)], begin, end))
    took = end - begin if started else None
    return Member(run, for_user(run.error, user), begin - run.created_at, took, bars)
