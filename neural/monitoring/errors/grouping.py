"""Groups failed attempts: a duty of the relays. Nothing of it is in the way of claims and settling.

Attempts are read by key after they have committed (:mod:`neural.monitoring.rollups.marks`), each
exactly once. Their fingerprints are computed before the transaction that counts them, so that this
stays short: SQLite has one writer.
"""

import datetime as dt
import time
from collections.abc import Collection, Mapping, Sequence

from django.db.models import Exists, OuterRef, QuerySet

from neural.ledger.clock import database_clock
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.monitoring.conf import conf
from neural.monitoring.errors.fingerprint import cause_of
from neural.monitoring.errors.folding import Failure, fold
from neural.monitoring.models import ErrorGroup, ErrorGroupState, FailedRun, ReadMark
from neural.monitoring.rollups.marks import Span, readable, reading_on

MARK = "failed attempts"
MOST_ATTEMPTS = 500
"""Keys of one turn. After a full one the next follows a second later: 30,000 a minute."""
MOST_SWEPT = 500
COUNTED = (AttemptOutcome.FAILED, AttemptOutcome.LOST)
_COLUMNS = (
    *("pk", "run_id", "outcome", "started_at", "finished_at", "error", "exception_facts"),
    *("run__handler", "run__task", "run__store_id", "run__state"),
)


class Grouping:
    """The duty of one process: it paces itself."""

    def __init__(self) -> None:
        self._due = 0.0
        self._swept = 0

    def __call__(self) -> None:
        """Group what has failed since the last time, if it is time."""
        if time.monotonic() < self._due:
            return
        now = database_clock()
        is_full = group_failures(now=now)
        self._due = time.monotonic() + (0 if is_full else conf().figures_seconds)
        end_mutes(now=now)
        self._swept = sweep(after=self._swept)


class _Overtaken(Exception):
    """Another relay has read these attempts meanwhile."""


def group_failures(*, now: dt.datetime) -> bool:
    """Group the next failed attempts. Returns whether there may be more to read at once.

    False also if another relay reads them: one is enough.
    """
    found = _readable()
    if found is None:
        return False
    after, up_to = found.after, found.up_to
    ahead = _failures(_keys(after, up_to), known=())
    try:
        with reading_on(MARK, TaskAttempt, most=up_to - after) as span:
            if span is None:
                return False
            if span.after != after:
                raise _Overtaken
            late = _failures(_keys(span.after, span.up_to), known=ahead)
            mine = [each for key, each in ahead.items() if key <= span.up_to]
            fold([*mine, *late.values()], now=now)
    except _Overtaken:
        return False
    return span.up_to - span.after >= MOST_ATTEMPTS


def _readable() -> Span | None:
    """The keys that may be read now; None if there are none."""
    mark = ReadMark.objects.filter(pk=MARK).first()
    if not TaskAttempt.objects.filter(pk__gt=mark.last_id if mark else 0).exists():
        return None
    return readable(MARK, TaskAttempt, most=MOST_ATTEMPTS)


def _keys(after: int, up_to: int) -> QuerySet[TaskAttempt]:
    return TaskAttempt.objects.filter(pk__gt=after, pk__lte=up_to, outcome__in=COUNTED)


def _failures(rows: QuerySet[TaskAttempt], *, known: Collection[int]) -> Mapping[int, Failure]:
    """The attempts by key, except those that are known already."""
    keys = [key for key in rows.order_by("pk").values_list("pk", flat=True) if key not in known]
    if not keys:
        return {}
    found = TaskAttempt.objects.filter(pk__gte=keys[0], pk__lte=keys[-1], outcome__in=COUNTED)
    if known:
        found = found.filter(pk__in=keys)
    return {row[0]: _failure(row) for row in found.values_list(*_COLUMNS).iterator(200)}


def _failure(row: Sequence[object]) -> Failure:
    values = dict(zip(_COLUMNS, row, strict=True))
    work = str(values["run__handler"] or values["run__task"])
    return Failure(
        attempt_id=values["pk"],  # type: ignore[arg-type]
        run_id=values["run_id"],  # type: ignore[arg-type]
        work=work,
        store_id=values["run__store_id"],  # type: ignore[arg-type]
        started_at=values["started_at"],  # type: ignore[arg-type]
        finished_at=values["finished_at"],  # type: ignore[arg-type]
        is_dead=values["run__state"] == RunState.DEAD,
        cause=cause_of(
            facts=values["exception_facts"],  # type: ignore[arg-type]
            error=str(values["error"]),
            work=work,
            is_lost=values["outcome"] == AttemptOutcome.LOST,
        ),
    )


def end_mutes(*, now: dt.datetime) -> None:
    """Open the groups that were muted until now."""
    over = ErrorGroup.objects.filter(state=ErrorGroupState.MUTED, muted_until__lte=now)
    if over.exists():
        over.update(state=ErrorGroupState.OPEN, muted_until=None, decided_by="")


def sweep(*, after: int) -> int:
    """Look at the next runs that were dead, and note which are no longer. Returns the last of them,
    or 0 after the last of all."""
    dead = FailedRun.objects.filter(dead=True, pk__gt=after).order_by("pk")
    keys = list(dead.values_list("pk", flat=True)[:MOST_SWEPT])
    if not keys:
        return 0
    still = set(TaskRun.objects.dead().filter(pk__in=keys).values_list("pk", flat=True))
    if gone := [key for key in keys if key not in still]:
        is_dead = Exists(TaskRun.objects.dead().filter(pk=OuterRef("run_id")))
        FailedRun.objects.filter(~is_dead, pk__in=gone).update(dead=False)
    return keys[-1] if len(keys) == MOST_SWEPT else 0


group_when_due = Grouping()
"""The duty of this process's relay."""
