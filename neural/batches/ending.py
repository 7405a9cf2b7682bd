"""Decides whether batches are over, ends those that are, and closes and cancels batches.

A batch is over when it is closed and has no open member. That is read from the members' rows, never
counted. It is decided after the commit that settles members, because two transactions that settle
the last two at once do not see each other. If the process dies before it has asked, a relay asks:
all batches that have not ended are asked in turn, a page each second.
"""

import datetime as dt
import logging
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Case, Exists, OuterRef, Q, QuerySet, Subquery, When
from django.db.models.functions import Coalesce, Now

from neural.batches import ports
from neural.batches.models import IF_ORPHANED, TIED
from neural.ledger.ports import Ended
from neural.models import (
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchKind,
    BatchOutcome,
    BatchState,
    RunState,
    TaskRun,
)

logger = logging.getLogger(__name__)

PAGE = 1000
"""How many batches a relay asks in a turn."""
SLICE = 1000
"""How many runs are cancelled in a transaction."""
MOST_WITNESSES = 10_000
CALLING = dt.timedelta(hours=1)
"""A chord that was called outside of runs is recorded whole within this time, or never."""
# Ranges of states in alphabetical order: one walk of the index neural_run_by_batch, which is the
# only one in this order. With a single state, PostgreSQL might read the whole backlog instead, by
# an index of pending runs that held none when its statistics were made.
_OPEN = (RunState.PENDING, RunState.RUNNING)
_DEAD = (RunState.DEAD, RunState.DISCARDED)
NOT_SUCCEEDED = (RunState.CANCELLED, RunState.DISCARDED)  # and DEAD, which is between them
_WAITING = (RunState.PENDING, RunState.PENDING)
_ALL_ALIVE = Q(death_noted_at=None, options__has_key="on_death")
"""Batches with an ``on_death`` that has not been started."""

_TIED = Q(state=BatchState.OPEN) & (
    Q(options__has_key=TIED)
    | Q(kind=BatchKind.CHORD) & (~Q(parent_task_id="") | Q(created_at__lt=Now() - CALLING))
)
"""Open batches that a run is to close: those of its ``with`` blocks, and chords that it calls. And
chords that are being called outside of runs for too long: it takes no time to speak of."""

_witnesses: dict[int, int] = {}
"""By batches, a run of each that was open when it was looked at last, with a high key: it is likely
to be among the last to end. While it is open, nothing else is read."""


class _Noted(threading.local):
    def __init__(self) -> None:
        self.batches: set[int] = set()


_noted = _Noted()
_position = 0
"""The last batch that this process's relay has asked."""


def note(ended: Sequence[Ended]) -> None:
    """Listen to runs that end (``neural.ledger.ports.when_ended``)."""
    batches = {each.run.batch_id for each in ended if each.run.batch_id is not None}
    if batches:
        dead = {each.run.batch_id for each in ended if each.state in _DEAD}
        note_deaths(dead - {None})
        _noted.batches |= batches
        transaction.on_commit(_ask_noted, robust=True)


def _ask_noted() -> None:
    """Ask the batches that were noted in this thread: those of runs that were executed in turn,
    whose hooks are called one after the other in the end, are asked once. One whose transaction was
    rolled back is asked in vain."""
    batches, _noted.batches = _noted.batches, set()
    if batches:
        end_if_complete(batches)


def note_deaths(batch_pks: Collection[Any]) -> None:
    """Start ``on_death`` of these batches unless it was started before. Call it in the transaction
    in which a member dies."""
    if batch_pks:
        alive = Batch.objects.filter(_ALL_ALIVE, pk__in=batch_pks).order_by("pk")
        for batch in alive.select_for_update(no_key=True):
            Batch.objects.filter(pk=batch.pk).update(death_noted_at=Now())
            ports.start_what_follows(batch, ports.Outcome.FIRST_DEATH)


# Asking


def end_if_complete(batch_pks: Iterable[int]) -> None:
    """End those of these batches (by primary key) that are closed and have no open member, and
    start what follows them. Call it after the commit that may have ended the last member."""
    asked = sorted(set(batch_pks))
    known = [run for pk in asked if (run := _witnesses.get(pk))]
    if known:
        still = TaskRun.objects.filter(pk__in=known, state__in=_OPEN)
        asked = sorted(set(asked) - set(still.values_list("batch_id", flat=True)))
    if asked:
        _see_to(Batch.objects.filter(pk__in=asked, ended_at=None))


def ask_all() -> "list[BatchProgress]":
    """Ask the next page of all batches that have not ended; returns what was seen of them."""
    global _position
    page = Batch.objects.filter(ended_at=None, pk__gt=_position).order_by("pk")[:PAGE]
    looks = _see_to(page, cancels=True)
    _position = looks[-1].pk if len(looks) == PAGE else 0
    return looks


class BatchProgress(NamedTuple):
    """What one statement has seen of a batch: each member either before or after a change."""

    pk: int
    batch_id: str
    state: str
    outcome: str
    waiting: int | None
    """An open run, if there is one."""
    awaited: int | None
    """An open member that is no run, if there is one."""
    unnoted: int | None
    """A dead run, if ``on_death`` is to be started and has not been."""
    is_orphaned: bool
    """Whether a run was to close it, or nobody, and none waits or works that will."""

    @property
    def is_over(self) -> bool:
        """Whether it is closed and has no open member."""
        is_open = self.waiting is not None or self.awaited is not None
        return self.state == BatchState.CLOSED and not is_open


def _progress_of(batches: QuerySet[Batch]) -> list[BatchProgress]:
    runs = TaskRun.objects.filter(batch=OuterRef("pk"))
    open_runs = runs.filter(state__range=_OPEN).order_by("state", "-pk")
    awaited = AwaitedMember.objects.filter(batch_key=OuterRef("batch_id"), ended_at=None)
    dead = runs.filter(state__range=_DEAD).order_by("state", "-pk")
    makers = TaskRun.objects.filter(task_id=OuterRef("parent_task_id"), state__in=_OPEN)
    found = batches.annotate(
        waiting=Subquery(open_runs.values("pk")[:1]),
        awaited=Subquery(awaited.order_by("task_id").values("pk")[:1]),
        unnoted=Case(When(_ALL_ALIVE, then=Subquery(dead.values("pk")[:1]))),
        is_orphaned=Case(When(_TIED, then=~Exists(makers)), default=False),
    )
    return [BatchProgress(*each) for each in found.values_list(*BatchProgress._fields)]


def _see_to(batches: QuerySet[Batch], *, cancels: bool = False) -> list[BatchProgress]:
    looks = _progress_of(batches)
    for look in looks:
        try:
            _act_on(look, cancels)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # the other batches must not wait for this one
            logger.exception("event=batch_stuck batch=%s", look.pk)
    return looks


def _act_on(look: BatchProgress, cancels: bool) -> None:
    if look.unnoted is not None:
        with transaction.atomic():
            note_deaths([look.pk])
    # By relays alone, a slice in each turn: each slice that was committed has the batch asked.
    if cancels and look.outcome == BatchOutcome.CANCELLED and not look.is_over:
        _cancel_slice(look.pk, look.batch_id)
    if cancels and look.is_orphaned:
        _give_up(look.pk)
    if look.is_over:
        _end(look.pk)
    elif look.waiting is not None:
        _remember(look.pk, look.waiting)


def _remember(batch_pk: int, run_pk: int) -> None:
    if len(_witnesses) >= MOST_WITNESSES:
        _witnesses.clear()
    _witnesses[batch_pk] = run_pk


@transaction.atomic
def _end(batch_pk: int) -> None:
    """End a batch that seemed to be over, if it still is when nobody can add a member."""
    _witnesses.pop(batch_pk, None)
    batch = _locked(batch_pk, BatchState.CLOSED)
    if batch is None or not _progress_of(Batch.objects.filter(pk=batch_pk))[0].is_over:
        return
    batch.state, batch.outcome = BatchState.ENDED, batch.outcome or _outcome(batch)
    changes = {"state": batch.state, "outcome": batch.outcome, "ended_at": Now()}
    Batch.objects.filter(pk=batch_pk).update(**changes)
    if batch.outcome == BatchOutcome.FAILED:
        note_deaths([batch_pk])
    ports.start_what_follows(batch, ports.Outcome(batch.outcome))
    line, facts = "event=batch_ended batch=%s name=%r outcome=%s", (batch.batch_id, batch.name)
    transaction.on_commit(lambda: logger.info(line, *facts, batch.outcome), robust=True)


def _locked(batch_pk: int, *states: BatchState) -> Batch | None:
    """The batch if it is in one of these states, to which nobody adds members until the transaction
    ends. It waits for those who do."""
    return Batch.objects.select_for_update().filter(pk=batch_pk, state__in=states).first()


def _outcome(batch: Batch) -> BatchOutcome:
    worst = TaskRun.objects.filter(batch=batch, state__range=NOT_SUCCEEDED).order_by("-state")
    state = worst.values_list("state", flat=True).first()
    others = AwaitedMember.objects.filter(batch_key=batch.batch_id)
    if state not in (None, RunState.CANCELLED) or others.filter(state=AwaitedState.FAILED).exists():
        return BatchOutcome.FAILED
    if state or others.filter(state=AwaitedState.REVOKED).exists():
        return BatchOutcome.CANCELLED
    return BatchOutcome.SUCCEEDED


# Closing and cancelling


@transaction.atomic
def _give_up(batch_pk: int) -> None:
    """Cancel a batch, or close it if it was made so, whose maker has ended without closing it, if
    that is still so."""
    batch = _locked(batch_pk, BatchState.OPEN)
    if batch is not None and _progress_of(Batch.objects.filter(pk=batch_pk))[0].is_orphaned:
        (close if batch.options.get(IF_ORPHANED) == "close" else begin_to_cancel)(batch_pk)
        facts = (batch.batch_id, batch.parent_task_id)
        logger.warning("event=batch_orphaned batch=%s maker=%s", *facts)


@transaction.atomic
def close(batch_pk: int) -> bool:
    """Let no further members be added, except by open members; on commit, ask whether the batch is
    over. Returns whether it was open."""
    if _locked(batch_pk, BatchState.OPEN) is None:
        return False
    Batch.objects.filter(pk=batch_pk).update(state=BatchState.CLOSED, closed_at=Now())
    transaction.on_commit(lambda: end_if_complete([batch_pk]), robust=True)
    return True


def cancel(batch_pk: int) -> int:
    """Close a batch and cancel its members that wait, a slice in each transaction; those that run
    are left. Returns how many were cancelled.

    A relay goes on if the process ends meanwhile. What members add later is cancelled as well.
    """
    if not begin_to_cancel(batch_pk):
        return 0
    batch, cancelled = Batch.objects.get(pk=batch_pk), 0
    while number := _cancel_slice(batch_pk, batch.batch_id):
        cancelled += number
    transaction.on_commit(lambda: end_if_complete([batch_pk]), robust=True)
    return cancelled


@transaction.atomic
def begin_to_cancel(batch_pk: int) -> bool:
    """Close a batch whose members relays then cancel, a slice each second, so that the caller need
    not wait. Returns whether it had not ended."""
    if _locked(batch_pk, BatchState.OPEN, BatchState.CLOSED) is None:
        return False
    Batch.objects.filter(pk=batch_pk).update(
        state=BatchState.CLOSED,
        outcome=BatchOutcome.CANCELLED,
        closed_at=Coalesce("closed_at", Now()),
    )
    return True


@transaction.atomic
def _cancel_slice(batch_pk: int, batch_key: str) -> int:
    """Cancel some members that wait, and count some plain ones as revoked: nothing stops these, but
    the runs before them that wait are cancelled."""
    waiting = TaskRun.objects.filter(batch=batch_pk, state__range=_WAITING)
    waiting = waiting.order_by("state", "-pk").select_for_update(skip_locked=True, of=("self",))
    keys = list(waiting.values_list("pk", flat=True)[:SLICE])
    others = AwaitedMember.objects.filter(batch_key=batch_key, ended_at=None).order_by("task_id")
    led_by = dict(others.values_list("pk", "led_by")[:SLICE])
    TaskRun.objects.filter(task_id__in=[each for ids in led_by.values() for each in ids]).cancel()
    ended = {"state": AwaitedState.REVOKED, "ended_at": Now()}
    revoked = AwaitedMember.objects.filter(pk__in=led_by, ended_at=None).update(**ended)
    return TaskRun.objects.filter(pk__in=keys).cancel() + revoked


@transaction.atomic
def reopen(chord: Batch, *, maker: str) -> None:
    """Open a chord again that was given up before its header was recorded, because what calls it is
    repeated (``maker`` is that run's task id, or empty), with what its members await."""
    found = _locked(chord.pk, BatchState.CLOSED, BatchState.ENDED)
    if found is None or found.outcome != BatchOutcome.CANCELLED or found.runs.exists():
        return
    chord.state, chord.outcome, chord.parent_task_id = BatchState.OPEN, "", maker
    chord.closed_at = chord.ended_at = None
    chord.save(update_fields=["state", "outcome", "parent_task_id", "closed_at", "ended_at"])
    theirs = AwaitedMember.objects.filter(batch_key=chord.batch_id, state=AwaitedState.REVOKED)
    leading = [each for ids in theirs.values_list("led_by", flat=True) for each in ids]
    TaskRun.objects.filter(task_id__in=leading, state=RunState.CANCELLED).retry()
    theirs.update(state=AwaitedState.OPEN, error="", ended_at=None)
