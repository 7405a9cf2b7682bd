"""Executes claimed runs: a batch of atomic runs in one transaction, or each run alone.

A batch starts no further run when the time for one message is up. Each of its runs has its own
savepoint, so a failed run does not affect its neighbours. The runs of a batch handler share one
savepoint, and are executed one by one after any error. If the transaction as a whole is undone,
each run is executed alone.
"""

import datetime as dt
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db import InterfaceError, OperationalError, transaction

from neural.kit.conf import conf
from neural.ledger import dialects, execute, ports
from neural.ledger.execute import (
    call,
    drop_broken_connection,
    record_failure,
    run_alone,
    settle_in_time,
)
from neural.ledger.guard import TransactionLost, WorkGuard, is_undone, isolate_hooks
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.outcome import (
    Outcome,
    expired,
    failed,
    is_expired,
    log_outcomes,
    log_started,
    skipped,
    succeeded,
    taken_apart,
)
from neural.ledger.settle import Fenced, settle
from neural.ledger.work import Clock, Work, WorkSource, at_the_end, working_on
from neural.ledger.work_errors import describe, only_exceptions
from neural.models import TaskRun
from neural.runs.models.run_log import log_change

logger = logging.getLogger(__name__)

FIRST_BATCH = 5
"""How many runs a batch handler gets at first, before its speed is known."""

BatchFunction = Callable[[list[Any]], object]


class LimitStruck(Exception):
    """The soft time limit was reached while one run of a batch, or several together, executed.

    ``runs`` are these runs, and ``started_at`` is when they started.
    """

    def __init__(
        self,
        runs: Sequence[TaskRun],
        error: Exception,
        started_at: dt.datetime,
        work: Work | None = None,
    ) -> None:
        super().__init__(str(error))
        self.runs = runs
        self.error = error
        self.started_at = started_at
        self.work = work


def run_claimed(source: WorkSource, runs: Sequence[TaskRun]) -> list[Outcome]:
    """Execute claimed runs of one queue and record their outcomes; returns the outcomes."""
    clock = Clock.of(runs[0])
    log_started(runs)
    if len(runs) == 1:
        return [run_alone(source, runs[0], clock)]
    try:
        outcomes = _run_together(source, runs, clock)
    except LimitStruck as struck:
        return _after_the_limit(struck, runs, clock)
    except Exception as error:  # noqa: BLE001
        # A deadlock, a broken connection, a run that was taken away: the batch was rolled back.
        logger.warning("event=batch_undone runs=%d error=%r", len(runs), describe(error))
        return [run_alone(source, run, clock) for run in runs]
    log_outcomes(outcomes)
    return outcomes


def _run_together(source: WorkSource, runs: Sequence[TaskRun], clock: Clock) -> list[Outcome]:
    """Execute runs and record their outcomes in one transaction, or keep nothing and raise."""
    # Before SQLite's one write lock is taken.
    groups: dict[BatchFunction | None, list[BatchItem]] = {}
    for run in runs:
        function, part = _part(source, run)
        groups.setdefault(function, []).append(part)
    ports.note_waiting(runs, waiting=True)
    guard = WorkGuard(atomic=True)
    try:
        with transaction.atomic():
            # Timed from here: the wait for SQLite's write lock is over, and no run caused it.
            began_at = clock.now()
            deadline = began_at + dt.timedelta(seconds=conf().batch_claim_seconds)
            with at_the_end(), working_on(runs[0].queue):
                outcomes = _work_through(source, groups, deadline, clock, guard)
            done = sum(not outcome.skipped for outcome in outcomes)
            _learn(runs[0].queue, done, began_at, clock)
            settle(outcomes)
            isolate_hooks()
    finally:
        guard.renew_sessions()
    return outcomes


def _learn(queue: str, runs: int, began_at: dt.datetime, clock: Clock) -> None:
    execute.learn(queue, runs=max(runs, 1), seconds=(clock.now() - began_at).total_seconds())


class BatchItem(NamedTuple):
    """A run, and its element of the list that the batch function gets."""

    run: TaskRun
    item: Any = None


Groups = Mapping[BatchFunction | None, Sequence[BatchItem]]
"""Runs by the batch function that takes them together; under None, runs executed one by one."""


def _part(source: WorkSource, run: TaskRun) -> tuple[BatchFunction | None, BatchItem]:
    try:
        with only_exceptions():
            batch = source.work_for(run).batch
            return (
                (batch.function, BatchItem(run, batch.item())) if batch else (None, BatchItem(run))
            )
    except Exception:  # noqa: BLE001 (raised again, and recorded, when it is this run's turn)
        return None, BatchItem(run)


def _work_through(
    source: WorkSource,
    groups: Groups,
    deadline: dt.datetime,
    clock: Clock,
    guard: WorkGuard,
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    waiting = deque(groups.items())
    connection = dialects.ledger_connection()
    others_wait = partial(dialects.ledger_dialect().others_wait, connection)
    while waiting:
        function, theirs = waiting.popleft()
        left = (deadline - clock.now()).total_seconds()
        if outcomes and (left <= 0 or guard.changed_session or others_wait()):
            outcomes += [skipped(each.run, clock) for each in theirs]
            continue
        number = execute.fitting(function, seconds=left, unknown=FIRST_BATCH) if function else 1
        now, later = theirs[:number], theirs[number:]
        if later:
            waiting.appendleft((function, later))
        if function is None or len(now) == 1:
            outcomes.append(_in_savepoint(source, now[0].run, clock, guard))
        elif done := _at_once(function, now, clock, guard):
            outcomes += done
        else:
            waiting.appendleft((None, now))
    return outcomes


def _at_once(
    function: BatchFunction, parts: Sequence[BatchItem], clock: Clock, guard: WorkGuard
) -> list[Outcome]:
    """Outcomes of runs that one call executed; empty if the call failed and was rolled back."""
    started_at = clock.now()
    runs = [part.run for part in parts]
    ports.note_waiting(runs, waiting=False)
    try:
        with ports.processing(runs), transaction.atomic():
            items = [part.item for part in parts]
            guard.call(lambda: function(items), what=f"{runs[0].work_name} runs={len(runs)}")
    except (OperationalError, InterfaceError, TransactionLost):
        raise  # concerns the whole transaction
    except SoftTimeLimitExceeded as error:
        raise LimitStruck(runs, error, started_at) from error
    except Exception as error:  # noqa: BLE001 (the run that causes it will raise it again, alone)
        _raise_if_lost(error)
        logger.info("event=batch_taken_apart runs=%d error=%r", len(runs), type(error).__name__)
        return []
    outcomes = [succeeded(run, None, started_at, clock) for run in runs]
    seconds = (outcomes[-1].finished_at - started_at).total_seconds()
    execute.learn(function, runs=len(runs), seconds=seconds)
    return outcomes


def _raise_if_lost(error: Exception) -> None:
    """Raise :class:`TransactionLost` if the rollback to the savepoint failed: then the other runs
    cannot write either."""
    if is_undone():
        raise TransactionLost("the transaction can only be rolled back") from error


def _in_savepoint(source: WorkSource, run: TaskRun, clock: Clock, guard: WorkGuard) -> Outcome:
    started_at = clock.now()
    work = None
    ports.note_waiting([run], waiting=False)
    try:
        if is_expired(run, clock):
            return expired(run, clock)
        with only_exceptions():
            work = source.work_for(run)
        with transaction.atomic():
            return call(run, work, started_at, clock, guard)
    except (OperationalError, InterfaceError, TransactionLost):
        raise  # concerns the whole transaction
    except SoftTimeLimitExceeded as error:
        raise LimitStruck([run], error, started_at, work) from error
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        _raise_if_lost(error)
        return failed(run, error, work, started_at, clock)


def _after_the_limit(struck: LimitStruck, runs: Sequence[TaskRun], clock: Clock) -> list[Outcome]:
    """Outcomes after the soft time limit: the runs that were executing have failed, and the others
    are pending again. Nothing is executed alone here: Celery raises the limit once a delivery, so
    it could not stop a second slow run."""
    if len(struck.runs) == 1:
        (run,) = struck.runs
        slow = [record_failure(run, struck.error, struck.work, struck.started_at, clock)]
    else:
        drop_broken_connection(struck.error)
        slow = [taken_apart(run, struck.error, struck.started_at, clock) for run in struck.runs]
        _settle_unless_fenced(slow)
    log_outcomes(slow)
    _learn(runs[0].queue, len(struck.runs), struck.started_at, clock)
    others = [skipped(run, clock) for run in runs if run not in struck.runs]
    _settle_unless_fenced(others)
    return [*slow, *others]


def _settle_unless_fenced(outcomes: Sequence[Outcome]) -> None:
    """Record the outcomes of the runs that still belong to this worker."""
    try:
        settle_in_time(outcomes)
    except Fenced as fenced:
        if len(outcomes) == 1:
            log_change("fenced", [outcomes[0].run], level=logging.WARNING, reason=str(fenced))
            return
        for outcome in outcomes:  # one that was taken away undoes the statement for all
            _settle_unless_fenced([outcome])
