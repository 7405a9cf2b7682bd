"""What became of an attempt: succeeded, tried again, dead, set aside, expired."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from neural.ledger.interrupts import Ignore, MaxRetriesExceededError, Reject
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Clock, RetryRequested, Snooze, Work, default_retry
from neural.ledger.work_errors import describe, only_exceptions, traceback_of
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.stored_json import to_json


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one attempt of one run."""

    run: TaskRun
    state: RunState
    started_at: dt.datetime
    finished_at: dt.datetime
    failures: int = 0
    result: str | None = None
    """JSON text."""
    due_at: dt.datetime | None = None
    """When a pending run is tried again."""
    attempt_outcome: AttemptOutcome | None = None
    """For an attempt that gets a row of its own: one that did not succeed."""
    error: str = ""
    traceback: str = ""
    exception: BaseException | None = None
    value: Any = None

    @property
    def succeeded(self) -> bool:
        return self.state == RunState.SUCCEEDED

    @property
    def not_started(self) -> bool:
        """Batched, but the time was up before its turn."""
        return self.state == RunState.PENDING and self.attempt_outcome is None


def failed(
    run: TaskRun, error: BaseException, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """What becomes of a run whose attempt raised. Its policy, and what its error asks for, are the
    work's own: where they cannot be followed the usual policy judges, and the run says why."""
    for theirs in (work, work, None):
        try:
            with only_exceptions():
                return _judged(run, error, theirs, started_at, clock)
        except Exception as second:  # noqa: BLE001 (it holds the one before as its context)
            error = second
    raise error


def _judged(
    run: TaskRun, error: BaseException, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    if isinstance(error, Reject | Ignore):
        return _set_aside(run, error, started_at, clock)
    if isinstance(error, Snooze):
        return _snoozed(run, error, started_at, clock)
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
        attempt_outcome=AttemptOutcome.FAILED,
        error=describe(error),
        traceback=traceback_of(error),
        exception=error,
    )
    if is_hopeless or not policy.allows(failures):
        return outcome
    delay = policy.delay(failures) if countdown is None else countdown
    due_at = finished_at + dt.timedelta(seconds=delay)
    return replace(outcome, state=RunState.PENDING, due_at=due_at)


def _reason(requested: RetryRequested, run: TaskRun, *, is_last: bool) -> BaseException:
    """What an attempt is said to have failed of. As in Celery, a task that gives no exception and
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


_ATTEMPTS_SET_ASIDE = {
    RunState.PENDING: AttemptOutcome.RELEASED,
    RunState.DEAD: AttemptOutcome.FAILED,
}


def _set_aside(
    run: TaskRun, word: Reject | Ignore, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """Celery's Ignore: done, without a result. Reject: dead, or with ``requeue`` due again."""
    requeue = bool(getattr(word, "requeue", False))
    state = RunState.DEAD if isinstance(word, Reject) else RunState.DISCARDED
    state = RunState.PENDING if requeue else state
    finished_at = clock.now()
    return Outcome(
        run=run,
        state=state,
        started_at=started_at,
        finished_at=finished_at,
        due_at=finished_at if requeue else None,
        failures=run.failures,
        attempt_outcome=_ATTEMPTS_SET_ASIDE.get(state),
        error=describe(word) if isinstance(word, Reject) else "",
        exception=word,
    )


def _snoozed(run: TaskRun, word: Snooze, started_at: dt.datetime, clock: Clock) -> Outcome:
    """Due again later, as if it had not been taken."""
    checkpoint = (
        None if word.checkpoint is None else to_json(word.checkpoint, what="the checkpoint")
    )
    return Outcome(
        run=run,
        state=RunState.PENDING,
        started_at=started_at,
        finished_at=clock.now(),
        due_at=clock.now() + dt.timedelta(seconds=word.seconds),
        failures=run.failures,
        result=checkpoint,
        attempt_outcome=AttemptOutcome.RELEASED if word.is_first else None,
        error=word.why,
        exception=word,
    )


def taken_apart(
    run: TaskRun, error: BaseException, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """The limit struck while many were done at once, and nobody knows which was too slow: each
    is due at once and, having failed before, is taken alone. Whatever its policy, this cannot
    be its last attempt."""
    finished_at = clock.now()
    return Outcome(
        run=run,
        state=RunState.PENDING,
        started_at=started_at,
        finished_at=finished_at,
        due_at=finished_at,
        failures=run.failures + 1,
        attempt_outcome=AttemptOutcome.FAILED,
        error=f"{describe(error)}, in a batch: tried again alone",
        exception=error,
    )


def not_started(run: TaskRun, clock: Clock) -> Outcome:
    return Outcome(
        run=run,
        state=RunState.PENDING,
        started_at=clock.now(),
        finished_at=clock.now(),
        failures=run.failures,
    )


def succeeded(run: TaskRun, value: Any, started_at: dt.datetime, clock: Clock) -> Outcome:
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


def nothing_kept(
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


def is_expired(run: TaskRun, clock: Clock) -> bool:
    limit = run.expires_at
    return limit is not None and limit <= clock.now()


def expired(run: TaskRun, clock: Clock) -> Outcome:
    """As Celery revokes an expired task, so the run is cancelled, and the ledger says why."""
    why = f"it expired at {run.options['expires_at']}"
    return replace(not_started(run, clock), state=RunState.CANCELLED, error=why)
