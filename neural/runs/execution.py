"""Running what was claimed, and deciding what became of it.

Atomic work: effects and outcome are one transaction. Two-step work (long, outside the
database, or ``async def``): work first, then the outcome; such work must be idempotent.
"""

import asyncio
import contextvars
import datetime as dt
import logging
import os
import random
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, Self

from celery.exceptions import (
    Ignore,
    MaxRetriesExceededError,
    Reject,
    Retry,
    SoftTimeLimitExceeded,
)
from django.db import DatabaseError, InterfaceError, OperationalError, transaction

from neural.conf import conf
from neural.models import RunState, TaskRun, TryOutcome
from neural.runs import sql
from neural.runs.options import expires_at
from neural.runs.patience import insist
from neural.runs.recompute import at_the_end
from neural.runs.results import to_json
from neural.runs.retry import RetryPolicy
from neural.runs.settling import Fenced, Outcome, settle
from neural.runs.telling import tell_outcomes, tell_started

logger = logging.getLogger(__name__)

CONTENTION_TRIES = 5
_DEADLOCK_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout


class RetryRequested(Retry):
    """The work itself asks to be tried again: ``self.retry(exc=…, countdown=…)``.

    Celery's own ``Retry``, so that a body which lets that one pass lets this one pass."""

    def __init__(
        self,
        cause: BaseException | None,
        *,
        countdown: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(str(cause or "the task asked for a retry"))
        self.cause = cause
        self.countdown = countdown
        self.max_retries = max_retries


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run stands for: a function to call, and how."""

    function: Callable[[], Any]
    atomic: bool
    retry: RetryPolicy


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


class WorkSource(Protocol):
    """Whoever knows which function a run stands for: a ledger task."""

    def work_for(self, run: TaskRun) -> Work: ...


@dataclass
class Clock:
    """Times of the tries of one delivery, on the database's clock."""

    claimed_at: dt.datetime
    _zero: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, run: TaskRun) -> Self:
        """The clock of the delivery that has just claimed this run."""
        if run.started_at is None:
            raise ValueError(f"run {run.task_id} has not been claimed")
        return cls(run.started_at)

    def now(self) -> dt.datetime:
        return self.claimed_at + dt.timedelta(seconds=time.perf_counter() - self._zero)


_current: contextvars.ContextVar[TaskRun | None] = contextvars.ContextVar("run", default=None)


def current_run() -> TaskRun | None:
    """The run that is being worked on here, if any."""
    return _current.get()


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
                    outcomes.append(_not_started(run, clock))
                else:
                    outcomes.append(_in_savepoint(source, run, clock))
        settle(outcomes)
    return outcomes


def _in_savepoint(source: WorkSource, run: TaskRun, clock: Clock) -> Outcome:
    started_at = clock.now()
    work = None
    try:
        if _is_expired(run, clock):
            return _expired(run, clock)
        work = source.work_for(run)
        with transaction.atomic():
            return _call(run, work, started_at, clock)
    except (OperationalError, InterfaceError):
        raise  # concerns the whole transaction
    except SoftTimeLimitExceeded as error:
        raise LimitStruck(run, error, work, started_at) from error
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        return _failed(run, error, work, started_at, clock)


def _after_the_limit(struck: LimitStruck, runs: Sequence[TaskRun], clock: Clock) -> list[Outcome]:
    """The limit may have struck in a query, and comes once a delivery: it cannot guard a
    second attempt. So only the run that was too slow has failed; the others wait again."""
    failed = _record_failure(struck.run, struck.error, struck.work, struck.started_at, clock)
    tell_outcomes([failed])
    others = [_not_started(run, clock) for run in runs if run is not struck.run]
    try:
        settle_in_time(others)
    except Fenced as fenced:
        logger.warning("event=runs_fenced runs=%d reason=%r", len(others), str(fenced))
    return [failed, *others]


def run_alone(source: WorkSource, run: TaskRun, clock: Clock) -> Outcome:
    """One run in a transaction of its own, tried again at once after a deadlock."""
    started_at = clock.now()
    work = None
    try:
        if _is_expired(run, clock):
            outcome = _record_expiry(run, clock)
        else:
            work = source.work_for(run)
            perform = _run_atomic if work.atomic else _run_two_step
            outcome = perform(run, work, clock)
    except Fenced as fenced:
        outcome = _nothing_kept(run, fenced, started_at, clock)
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        outcome = _record_failure(run, error, work, started_at, clock)
    tell_outcomes([outcome])
    return outcome


def _is_expired(run: TaskRun, clock: Clock) -> bool:
    limit = expires_at(run)
    return limit is not None and limit <= clock.now()


def _expired(run: TaskRun, clock: Clock) -> Outcome:
    """As Celery revokes an expired task, so the run is cancelled, and the ledger says why."""
    why = f"it expired at {run.options['expires_at']}"
    return replace(_not_started(run, clock), state=RunState.CANCELLED, error=why)


def _record_expiry(run: TaskRun, clock: Clock) -> Outcome:
    outcome = _expired(run, clock)
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
    mark = _current.set(run)
    try:
        value = work.function()
    except asyncio.CancelledError as cancelled:
        # Not an Exception: it would end the pool's process and look like a lost delivery.
        raise RuntimeError("the coroutine was cancelled") from cancelled
    finally:
        _current.reset(mark)
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
    outcome = _failed(run, error, work, started_at, clock)
    try:
        settle_in_time([outcome])
    except Fenced:
        return _nothing_kept(run, error, started_at, clock)
    return outcome


def _failed(
    run: TaskRun, error: BaseException, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    if isinstance(error, Reject | Ignore):
        return _set_aside(run, error, started_at, clock)
    policy = work.retry if work else default_retry()
    failures = run.failures + 1
    finished_at = clock.now()
    countdown = None
    is_hopeless = policy.is_permanent(error)
    if isinstance(error, RetryRequested):
        policy, countdown = _as_requested(policy, error), error.countdown
        is_hopeless = False  # what the work asks for in so many words is no permanent error
        error = _reason(error, run, is_last=not policy.allows(failures))
    outcome = Outcome(
        run=run,
        state=RunState.DEAD,
        started_at=started_at,
        finished_at=finished_at,
        failures=failures,
        try_outcome=TryOutcome.FAILED,
        error=describe(error),
        traceback=_storable("".join(traceback.format_exception(error))),
        exception=error,
    )
    if is_hopeless or not policy.allows(failures):
        return outcome
    delay = policy.delay(failures) if countdown is None else countdown
    due_at = finished_at + dt.timedelta(seconds=delay)
    return replace(outcome, state=RunState.PENDING, due_at=due_at)


def _reason(requested: RetryRequested, run: TaskRun, *, is_last: bool) -> BaseException:
    """What a try is said to have failed of. As in Celery, a task that gives no exception and
    may not be tried again has failed of just that."""
    if requested.cause is not None:
        return requested.cause
    if not is_last:
        return requested.__context__ or requested
    what = f"{run.task}[{run.task_id}] args:{run.args} kwargs:{run.kwargs}"
    exceeded = MaxRetriesExceededError(f"Can't retry {what}")
    exceeded.__cause__ = requested.__context__ or requested
    return exceeded


def _as_requested(policy: RetryPolicy, requested: RetryRequested) -> RetryPolicy:
    if requested.max_retries is None:
        return policy
    return replace(policy, max_retries=requested.max_retries)


_TRIES_SET_ASIDE = {RunState.PENDING: TryOutcome.HANDED_BACK, RunState.DEAD: TryOutcome.FAILED}


def _set_aside(
    run: TaskRun, word: Reject | Ignore, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """Celery's Ignore: done, without a result. Reject: dead, or with ``requeue`` due again."""
    requeue = bool(getattr(word, "requeue", False))
    state = RunState.DEAD if isinstance(word, Reject) else RunState.DISCARDED
    finished_at = clock.now()
    return Outcome(
        run=run,
        state=RunState.PENDING if requeue else state,
        started_at=started_at,
        finished_at=finished_at,
        due_at=finished_at if requeue else None,
        failures=run.failures,
        try_outcome=_TRIES_SET_ASIDE.get(RunState.PENDING if requeue else state),
        error=describe(word) if isinstance(word, Reject) else "",
        exception=word,
    )


def _not_started(run: TaskRun, clock: Clock) -> Outcome:
    return Outcome(
        run=run,
        state=RunState.PENDING,
        started_at=clock.now(),
        finished_at=clock.now(),
        failures=run.failures,
    )


def _nothing_kept(
    run: TaskRun, error: BaseException, started_at: dt.datetime, clock: Clock
) -> Outcome:
    return Outcome(
        run=run,
        state=RunState.RUNNING,
        started_at=started_at,
        finished_at=clock.now(),
        exception=error,
        error=describe(error),
    )


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


def describe(error: BaseException) -> str:
    """One line about an error: its class and its message."""
    message = _storable(" ".join(str(error).split()))
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _storable(text: str) -> str:
    """What the database can keep: no U+0000, no half of a surrogate pair."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


def default_retry() -> RetryPolicy:
    """The retry policy of the settings."""
    return RetryPolicy(
        max_retries=conf().max_retries,
        base_seconds=conf().retry_base_seconds,
        cap_seconds=conf().retry_cap_seconds,
        jitter=conf().retry_jitter,
    )
