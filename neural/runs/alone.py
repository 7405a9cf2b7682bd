"""One run by itself, and what became of it.

Atomic work: effects and outcome are one transaction. Two-step work (long, outside the
database, or ``async def``): work first, then the outcome; such work must be idempotent.
"""

import asyncio
import datetime as dt
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from neural.conf import conf
from neural.models import TaskRun
from neural.runs import pace, sql
from neural.runs.contention import despite_contention
from neural.runs.patience import insist
from neural.runs.settling import Fenced, Outcome, settle
from neural.runs.telling import tell_outcomes
from neural.runs.verdicts import expired, failed, is_expired, nothing_kept, succeeded
from neural.runs.work import Clock, Work, WorkSource, current

logger = logging.getLogger(__name__)


def run_alone(source: WorkSource, run: TaskRun, clock: Clock) -> Outcome:
    """One run in a transaction of its own, tried again at once after a deadlock."""
    started_at = clock.now()
    work = None
    try:
        if is_expired(run, clock):
            outcome = _record_expiry(run, clock)
        else:
            work = source.work_for(run)
            perform = _run_atomic if work.atomic else _run_two_step
            outcome = perform(run, work, clock)
    except Fenced as fenced:
        outcome = nothing_kept(run, fenced, started_at, clock)
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        outcome = record_failure(run, error, work, started_at, clock)
    tell_outcomes([outcome])
    return outcome


def _record_expiry(run: TaskRun, clock: Clock) -> Outcome:
    outcome = expired(run, clock)
    settle_in_time([outcome])
    return outcome


def _run_atomic(run: TaskRun, work: Work, clock: Clock) -> Outcome:
    def transact() -> Outcome:
        with transaction.atomic():
            outcome = call(run, work, clock.now(), clock)
            settle([outcome])
        _learn(outcome)
        return outcome

    return despite_contention(transact)


def _learn(outcome: Outcome) -> None:
    """Of one that could have been taken along: whoever was once slow, and is since given one run
    at a time, learns by these alone that more fit."""
    run = outcome.run
    if run.handler and not run.goes_alone:
        seconds = (outcome.finished_at - outcome.started_at).total_seconds()
        pace.learn(run.queue, runs=1, seconds=seconds)


def _run_two_step(run: TaskRun, work: Work, clock: Clock) -> Outcome:
    with _callers_transaction_kept_whole():
        outcome = call(run, work, clock.now(), clock)
    with _callers_transaction_kept_whole():
        settle_in_time([outcome])
    return outcome


@contextmanager
def _callers_transaction_kept_whole() -> Iterator[None]:
    """In a worker two-step work has no transaction around it that a failed query could break;
    in a test (`run_due`) it has one, and a failed query is undone to this point."""
    connection = sql.ledger_connection()
    if not connection.in_atomic_block:
        yield
        return
    savepoint = transaction.savepoint(using=connection.alias)
    try:
        yield
    except Exception as error:
        if connection.needs_rollback or isinstance(error, DatabaseError):
            connection.needs_rollback = False
            transaction.savepoint_rollback(savepoint, using=connection.alias)
        raise


def call(run: TaskRun, work: Work, started_at: dt.datetime, clock: Clock) -> Outcome:
    """Do the work of one run; what it raises is the caller's to judge."""
    mark = current.set(run)
    try:
        value = work.function()
    except asyncio.CancelledError as cancelled:
        # Not an Exception: it would end the pool's process and look like a lost delivery.
        raise RuntimeError("the coroutine was cancelled") from cancelled
    finally:
        current.reset(mark)
    return succeeded(run, value, started_at, clock)


def record_failure(
    run: TaskRun, error: Exception, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """Judge a try that raised, and write the verdict down in a transaction of its own."""
    drop_broken_connection(error)
    outcome = failed(run, error, work, started_at, clock)
    try:
        settle_in_time([outcome])
    except Fenced:
        return nothing_kept(run, error, started_at, clock)
    return outcome


def drop_broken_connection(error: BaseException) -> None:
    """Begin anew after an error of the connection: the soft limit, too, may have struck in
    the middle of a query."""
    connection = sql.ledger_connection()
    broken = isinstance(error, SoftTimeLimitExceeded | OperationalError | InterfaceError)
    if broken and not connection.in_atomic_block:
        connection.close()


def settle_in_time(outcomes: Sequence[Outcome]) -> None:
    """Record outcomes, waiting for a database that is away.

    A process that cannot say what it did ends itself: its runs are then lost deliveries,
    which the relay finds, instead of runs that nobody will ever finish.
    """
    try:
        insist(lambda: settle(outcomes), seconds=conf().settle_seconds)
    except (OperationalError, InterfaceError) as error:
        if sql.ledger_connection().in_atomic_block:
            raise  # a caller's transaction (tests)
        logger.critical("event=outcome_not_recorded runs=%d error=%r", len(outcomes), str(error))
        os._exit(70)
