"""Executes one run alone and records its outcome.

The effects and the outcome of atomic work share one transaction. Two-step work (long, outside the
database, or ``async def``) is executed first, and its outcome is recorded afterwards; such work
must be idempotent.

Each process measures how long a run of a handler or of a queue takes, and estimates from it how
many fit in the time that a worker may spend on one message (:func:`fitting`). A slower run counts
at once; after faster runs, the estimate halves its distance to them. Short waits of urgent runs are
promised, large batches are not. The time that a transaction waits before it begins must not be
included: a process that had waited once for SQLite's write lock would take one run at a time ever
after.
"""

import datetime as dt
import logging
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from neural.kit.conf import conf
from neural.ledger import dialects, ports
from neural.ledger.dialects import despite_contention, drop_cursors, retry_until
from neural.ledger.guard import Hook, NothingKept, WorkGuard, isolate_hooks, take_hooks
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.outcome import (
    Outcome,
    expired,
    failed,
    is_expired,
    log_outcomes,
    nothing_kept,
    succeeded,
)
from neural.ledger.settle import Fenced, settle
from neural.ledger.work import Clock, Work, WorkSource, current, value_of
from neural.ledger.work_errors import describe, only_exceptions
from neural.models import TaskRun

logger = logging.getLogger(__name__)
_seconds_a_run: dict[Hashable, float] = {}


class Unflushed(NamedTuple):
    """An outcome that is committed and may not be on the disk yet, and the hooks of its
    transaction, which wait for that."""

    outcome: Outcome
    hooks: Sequence[Hook]
    is_atomic: bool
    """Whether the effects of the work are in the same transaction."""


def run_alone(
    source: WorkSource, run: TaskRun, clock: Clock, unflushed: list[Unflushed] | None = None
) -> Outcome:
    """Execute one claimed run and record its outcome; atomic work is repeated after a deadlock.

    With a list ``unflushed``, a success is added to it instead of waiting for the disk, and
    nothing is logged: both are left to the caller.
    """
    started_at = clock.now()
    work = None
    ports.note_waiting([run], waiting=False)
    try:
        if is_expired(run, clock):
            outcome = expired(run, clock)
            settle_in_time([outcome])
        else:
            with only_exceptions():
                work = source.work_for(run)
            perform = _run_atomic if work.atomic else _run_two_step
            outcome = perform(run, work, clock, unflushed)
    except Fenced as fenced:
        # Either another worker took the run over, or the work itself changed the row. In
        # the second case that change was rolled back with all other writes, so the run still
        # belongs to this worker, and its attempt has failed.
        what = "the run was changed while it was at work: nothing that it wrote is kept"
        changed = NothingKept(what)
        changed.__cause__ = fenced
        outcome = record_failure(run, changed, work, started_at, clock)
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        outcome = record_failure(run, error, work, started_at, clock)
    if unflushed is None:
        log_outcomes([outcome])
    return outcome


def _run_atomic(
    run: TaskRun, work: Work, clock: Clock, unflushed: list[Unflushed] | None
) -> Outcome:
    guard = WorkGuard(atomic=True)

    def transact() -> Outcome:
        with transaction.atomic():
            outcome = call(run, work, clock.now(), clock, guard)
            # What it wrote to another database is on the disk before this commit.
            waits = unflushed is None or guard.wrote_elsewhere
            settle([outcome], waits=waits)
            if waits:
                isolate_hooks()
            else:
                hooks = take_hooks()
        if not waits and unflushed is not None:
            unflushed.append(Unflushed(outcome, hooks, is_atomic=True))
        if run.handler and not run.goes_alone:
            # A queue that was once slow gets one run at a time, and only these runs can show that
            # it is fast again.
            seconds = (outcome.finished_at - outcome.started_at).total_seconds()
            learn(run.queue, runs=1, seconds=seconds)
        return outcome

    try:
        return despite_contention(transact)
    finally:
        guard.renew_sessions()


def _run_two_step(
    run: TaskRun, work: Work, clock: Clock, unflushed: list[Unflushed] | None
) -> Outcome:
    guard = WorkGuard(atomic=False)
    try:
        with _callers_transaction_kept_whole():
            outcome = call(run, work, clock.now(), clock, guard)
    finally:
        guard.renew_sessions()
    if unflushed is not None:
        settle_in_time([outcome], partial(_settle_unflushed, outcome, unflushed))
        return outcome
    with _callers_transaction_kept_whole():
        settle_in_time([outcome])
    return outcome


def _settle_unflushed(outcome: Outcome, unflushed: list[Unflushed]) -> None:
    with transaction.atomic():
        settle([outcome], waits=False)
        hooks = take_hooks()
    unflushed.append(Unflushed(outcome, hooks, is_atomic=False))


@contextmanager
def _callers_transaction_kept_whole() -> Iterator[None]:
    """Keep a caller's transaction usable after a failed query, by a savepoint.

    In a worker, two-step work has no transaction around it. In a test (`run_due`) it has one, which
    a failed query would break.
    """
    connection = dialects.ledger_connection()
    if not connection.in_atomic_block:
        yield
        return
    savepoint = connection.savepoint()
    assert savepoint is not None  # for the type checker: every database here has them
    try:
        yield
    except Exception as error:
        if connection.needs_rollback or isinstance(error, DatabaseError):
            connection.needs_rollback = False
            transaction.savepoint_rollback(savepoint, using=connection.alias)
        raise


def call(
    run: TaskRun, work: Work, started_at: dt.datetime, clock: Clock, guard: WorkGuard
) -> Outcome:
    """Execute the work of one run; its errors are left to the caller. Returns its outcome."""

    def do() -> Outcome:
        return succeeded(run, value_of(work.function), started_at, clock)

    before = current.set(run)
    try:
        with ports.processing([run]):
            return guard.call(do, what=f"{run.work_name} run={run.task_id}")
    finally:
        current.reset(before)


def record_failure(
    run: TaskRun, error: Exception, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """Record the outcome of an attempt that raised ``error``, in a transaction of its own."""
    drop_broken_connection(error)
    outcome = failed(run, error, work, started_at, clock)
    try:
        with _callers_transaction_kept_whole():
            settle_in_time([outcome])
    except Fenced:
        return nothing_kept(run, error, started_at, clock)
    except Exception as second:  # noqa: BLE001
        _end_process([outcome], second)
    return outcome


def drop_broken_connection(error: BaseException) -> None:
    """Close the connection if this error may have broken it; the next query opens another one. The
    soft time limit counts, because it may have interrupted a query."""
    connection = dialects.ledger_connection()
    broken = isinstance(error, SoftTimeLimitExceeded | OperationalError | InterfaceError)
    if broken and not connection.in_atomic_block:
        drop_cursors(error)
        connection.close()


def settle_in_time(outcomes: Sequence[Outcome], record: Callable[[], None] | None = None) -> None:
    """Record outcomes, by ``record`` if it is not :func:`settle`; wait up to ``settle_seconds`` for
    an unavailable database.

    A process that still cannot record them ends itself. The relay then finds its runs as lost
    deliveries; otherwise nobody would ever finish them.
    """
    try:
        retry_until(record or partial(settle, outcomes), seconds=conf().settle_seconds)
    except (OperationalError, InterfaceError) as error:
        _end_process(outcomes, error)


def _end_process(outcomes: Sequence[Outcome], error: Exception) -> None:
    if dialects.ledger_connection().in_atomic_block:
        raise error  # a caller's transaction (tests)
    logger.critical("event=outcome_not_recorded runs=%d error=%r", len(outcomes), describe(error))
    os._exit(70)


# How long runs take


def learn(what: Hashable, *, runs: int, seconds: float) -> None:
    """Record that ``runs`` runs of a handler or queue took ``seconds`` in all."""
    latest = seconds / runs
    _seconds_a_run[what] = max(latest, (latest + _seconds_a_run.get(what, latest)) / 2)


def fitting(what: Hashable, *, seconds: float, unknown: int) -> int:
    """How many runs of a handler or queue fit in ``seconds``, at least one; ``unknown`` before any
    was measured."""
    known = _seconds_a_run.get(what)
    if known is None:
        return unknown
    return max(1, int(seconds / known)) if known > 0 else unknown
