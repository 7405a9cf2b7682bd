"""Running what was claimed, and deciding what became of it.

Atomic work: effects and outcome are one transaction. Two-step work (long, outside the
database, or ``async def``): work first, then the outcome; such work must be idempotent.
"""

import asyncio
import datetime as dt
import logging
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from neural.conf import conf
from neural.models import RunState, TaskRun
from neural.runs import sql
from neural.runs.patience import insist
from neural.runs.recompute import at_the_end
from neural.runs.results import to_json
from neural.runs.settling import Fenced, Outcome, settle
from neural.runs.telling import tell_outcomes, tell_started
from neural.runs.verdicts import expired, failed, is_expired, not_started, nothing_kept
from neural.runs.work import Clock, Work, WorkSource, current

logger = logging.getLogger(__name__)

CONTENTION_TRIES = 5
_DEADLOCK_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout


class LimitStruck(Exception):
    """The soft time limit came while one run of a batch was at work."""

    def __init__(
        self, run: TaskRun, error: Exception, work: Work | None, started_at: dt.datetime
    ) -> None:
        super().__init__(str(error))
        self.run = run
        self.error = error
        self.work = work
        self.started_at = started_at


def run_claimed(source: WorkSource, runs: Sequence[TaskRun]) -> list[Outcome]:
    """Work on claimed runs and record what became of each."""
    clock = Clock.of(runs[0])
    tell_started(runs)
    if len(runs) == 1:
        return [run_alone(source, runs[0], clock)]
    try:
        outcomes = _run_together(source, runs, clock)
    except LimitStruck as struck:
        return _after_the_limit(struck, runs, clock)
    except Exception as error:  # noqa: BLE001
        # A deadlock, a broken connection, one run taken away: nothing of the batch was kept.
        logger.warning("event=batch_undone runs=%d error=%r", len(runs), str(error))
        return [run_alone(source, run, clock) for run in runs]
    tell_outcomes(outcomes)
    return outcomes


def _run_together(source: WorkSource, runs: Sequence[TaskRun], clock: Clock) -> list[Outcome]:
    """Atomic runs in one transaction, each in its savepoint, bounded by time."""
    deadline = clock.now() + dt.timedelta(seconds=conf().take_along_seconds)
    outcomes: list[Outcome] = []
    with transaction.atomic():
        with at_the_end():
            for run in runs:
                if outcomes and clock.now() > deadline:
                    outcomes.append(not_started(run, clock))
                else:
                    outcomes.append(_in_savepoint(source, run, clock))
        settle(outcomes)
    return outcomes


def _in_savepoint(source: WorkSource, run: TaskRun, clock: Clock) -> Outcome:
    started_at = clock.now()
    work = None
    try:
        if is_expired(run, clock):
            return expired(run, clock)
        work = source.work_for(run)
        with transaction.atomic():
            return _call(run, work, started_at, clock)
    except (OperationalError, InterfaceError):
        raise  # concerns the whole transaction
    except SoftTimeLimitExceeded as error:
        raise LimitStruck(run, error, work, started_at) from error
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        return failed(run, error, work, started_at, clock)


def _after_the_limit(struck: LimitStruck, runs: Sequence[TaskRun], clock: Clock) -> list[Outcome]:
    """The limit may have struck in a query, and comes once a delivery: it cannot guard a
    second attempt. So only the run that was too slow has failed; the others wait again."""
    slow = _record_failure(struck.run, struck.error, struck.work, struck.started_at, clock)
    tell_outcomes([slow])
    others = [not_started(run, clock) for run in runs if run is not struck.run]
    try:
        settle_in_time(others)
    except Fenced as fenced:
        logger.warning("event=runs_fenced runs=%d reason=%r", len(others), str(fenced))
    return [slow, *others]


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
        outcome = _record_failure(run, error, work, started_at, clock)
    tell_outcomes([outcome])
    return outcome


def _record_expiry(run: TaskRun, clock: Clock) -> Outcome:
    outcome = expired(run, clock)
    settle_in_time([outcome])
    return outcome


def _run_atomic(run: TaskRun, work: Work, clock: Clock) -> Outcome:
    for attempt in range(1, CONTENTION_TRIES + 1):
        try:
            with transaction.atomic():
                outcome = _call(run, work, clock.now(), clock)
                settle([outcome])
            return outcome
        except OperationalError as error:
            if attempt == CONTENTION_TRIES or not is_contention(error):
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)
    raise AssertionError("unreachable")


def _run_two_step(run: TaskRun, work: Work, clock: Clock) -> Outcome:
    with _callers_transaction_kept_whole():
        outcome = _call(run, work, clock.now(), clock)
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


def _call(run: TaskRun, work: Work, started_at: dt.datetime, clock: Clock) -> Outcome:
    mark = current.set(run)
    try:
        value = work.function()
    except asyncio.CancelledError as cancelled:
        # Not an Exception: it would end the pool's process and look like a lost delivery.
        raise RuntimeError("the coroutine was cancelled") from cancelled
    finally:
        current.reset(mark)
    result = None if value is None else to_json(value, what=f"the result of {run.work_name}")
    return Outcome(
        run=run,
        state=RunState.SUCCEEDED,
        started_at=started_at,
        finished_at=clock.now(),
        failures=run.failures,
        result=result,
        value=value,
    )


def _record_failure(
    run: TaskRun, error: Exception, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    connection = sql.ledger_connection()
    broken = isinstance(error, SoftTimeLimitExceeded | OperationalError | InterfaceError)
    if broken and not connection.in_atomic_block:
        connection.close()  # the limit may have struck in the middle of a query
    outcome = failed(run, error, work, started_at, clock)
    try:
        settle_in_time([outcome])
    except Fenced:
        return nothing_kept(run, error, started_at, clock)
    return outcome


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


def is_contention(error: BaseException) -> bool:
    """Whether the database undid the transaction for the sake of another one."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    return state in _DEADLOCK_STATES or "database is locked" in str(error)
