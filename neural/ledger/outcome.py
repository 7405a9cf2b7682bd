"""Outcomes of attempts: decides whether a run succeeded, is retried, is dead or has expired.

The log lines about a worker's runs are written here, too: when they start, and their outcomes.
"""

import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neural.kit.stored_json import to_json
from neural.ledger.interrupts import Ignore, MaxRetriesExceededError, Reject, ResultBase
from neural.ledger.work import Clock, Replaced, RetryRequested, Snooze, Work, default_retry
from neural.ledger.work_errors import describe, only_exceptions, traceback_of
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.runs.models.run_log import log_change


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of one attempt of one run, and the state that the run gets."""

    run: TaskRun
    state: RunState
    started_at: dt.datetime
    finished_at: dt.datetime
    failures: int = 0
    result: str | None = None
    """JSON text."""
    due_at: dt.datetime | None = None
    """When a pending run is due again; None keeps its time."""
    attempt_outcome: AttemptOutcome | None = None
    """The outcome in the attempt's row; None if the attempt gets no row."""
    error: str = ""
    traceback: str = ""
    exception: BaseException | None = None
    value: Any = None
    expires_at: str | None = None
    """When the run expires from now on; None changes nothing."""

    @property
    def succeeded(self) -> bool:
        return self.state == RunState.SUCCEEDED

    @property
    def skipped(self) -> bool:
        """Whether the run was claimed but not started, because the batch's time was up."""
        return self.state == RunState.PENDING and self.attempt_outcome is None


def failed(
    run: TaskRun, error: BaseException, work: Work | None, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """The outcome of an attempt that raised ``error``: retried by the work's policy, or dead.

    The policy and the error come from the work and may themselves raise. Then the default policy
    decides, and the run's error says why. ``work`` is None if it could not be found.
    """
    for theirs in (work, work, None):
        try:
            with only_exceptions():
                return _judged(run, error, theirs, started_at, clock)
        except Exception as second:  # noqa: BLE001 (its context is the error before)
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
    countdown = expires = None
    is_hopeless = policy.is_permanent(error)
    if isinstance(error, RetryRequested):
        if error.max_retries is not None:
            policy = replace(policy, max_retries=error.max_retries)
        countdown, expires = error.countdown, error.expires
        is_hopeless = False  # the work explicitly asks for a retry, so the error is not permanent
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
    return replace(outcome, state=RunState.PENDING, due_at=due_at, expires_at=expires)


def _reason(requested: RetryRequested, run: TaskRun, *, is_last: bool) -> BaseException:
    """The error to record for a requested retry. As in Celery, it is MaxRetriesExceededError for a
    task that names no exception and has no retries left."""
    if requested.cause is not None:
        return requested.cause
    if not is_last:
        return requested.__context__ or requested
    args, kwargs = run.shown_arguments
    what = f"{run.task}[{run.task_id}] args:{args} kwargs:{kwargs}"
    exceeded = MaxRetriesExceededError(f"Can't retry {what}")
    exceeded.__cause__ = requested.__context__ or requested
    return exceeded


_ATTEMPTS_SET_ASIDE = {
    RunState.PENDING: AttemptOutcome.RELEASED,
    RunState.DEAD: AttemptOutcome.FAILED,
}


def _set_aside(
    run: TaskRun, word: Reject | Ignore, started_at: dt.datetime, clock: Clock
) -> Outcome:
    """The outcome of Celery's Ignore (discarded, without a result) and Reject (dead, or due again
    with ``requeue``)."""
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
    """The outcome of :class:`Snooze`: due again later, as if the run had not been claimed."""
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
    """The outcome of a run that was executing with others when the soft time limit was reached.

    Nobody knows which of them was too slow. So each has a failed attempt, is due at once, and is
    claimed alone, because it has failed before. Whatever its policy, this is not its last attempt.
    """
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


def skipped(run: TaskRun, clock: Clock) -> Outcome:
    """The outcome of a claimed run that was not started: pending again, and nothing is counted."""
    return Outcome(
        run=run,
        state=RunState.PENDING,
        started_at=clock.now(),
        finished_at=clock.now(),
        failures=run.failures,
        error=run.error,
    )


def succeeded(run: TaskRun, value: Any, started_at: dt.datetime, clock: Clock) -> Outcome:
    """The outcome of an attempt that returned ``value``; or raises NotStorable if that cannot be
    kept."""
    if isinstance(value, ResultBase):  # as Celery keeps one
        value = value.as_tuple()  # type: ignore[attr-defined]
    has_result = value is not None and not isinstance(value, Replaced)
    result = to_json(value, what=f"the result of {run.work_name}") if has_result else None
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
    """The outcome of an attempt whose run was taken away meanwhile. It is only logged."""
    return Outcome(
        run=run,
        state=RunState.RUNNING,
        started_at=started_at,
        finished_at=clock.now(),
        exception=error,
        error=describe(error),
    )


def is_expired(run: TaskRun, clock: Clock) -> bool:
    """Whether the run's ``expires_at`` has passed."""
    limit = run.expires_at
    return limit is not None and limit <= clock.now()


def expired(run: TaskRun, clock: Clock) -> Outcome:
    """The outcome of an expired run: cancelled, as Celery revokes an expired task."""
    why = f"it expired at {run.options['expires_at']}"
    return replace(skipped(run, clock), state=RunState.CANCELLED, error=why)


# Log lines


def log_started(runs: Sequence[TaskRun]) -> None:
    """Log that these runs, claimed together, have started. The number of the attempt is logged for
    a single run only."""
    facts: dict[str, Any] = {"attempt": runs[0].attempt_number} if len(runs) == 1 else {}
    log_change("started", runs, **facts)


def log_outcomes(outcomes: Sequence[Outcome]) -> None:
    """Log outcomes: one line for all runs that succeeded together, and one for each other run."""
    succeeded = [outcome for outcome in outcomes if outcome.succeeded]
    if len(succeeded) > 1:
        runs = [outcome.run for outcome in succeeded]
        began = min(outcome.started_at for outcome in succeeded)
        ended = max(outcome.finished_at for outcome in succeeded)
        log_change("succeeded", runs, seconds=(ended - began).total_seconds())
    alone = outcomes if len(succeeded) <= 1 else [each for each in outcomes if not each.succeeded]
    for outcome in alone:
        change, level = _change(outcome)
        facts: dict[str, Any] = {
            "attempt": outcome.run.attempt_number,
            "seconds": (outcome.finished_at - outcome.started_at).total_seconds(),
        }
        if outcome.error:
            facts["error"] = outcome.error
        if outcome.due_at:
            facts["retry_at"] = outcome.due_at.isoformat(timespec="seconds")
        log_change(change, [outcome.run], level=level, **facts)


def _change(outcome: Outcome) -> tuple[str, int]:
    if isinstance(outcome.exception, Snooze):
        return ("released", logging.INFO) if outcome.error else ("snoozed", logging.DEBUG)
    if outcome.skipped:
        return "requeued", logging.DEBUG
    if outcome.attempt_outcome == AttemptOutcome.FAILED and outcome.state == RunState.PENDING:
        return "failed", logging.WARNING
    return _CHANGES[outcome.state]


_CHANGES: Mapping[RunState, tuple[str, int]] = {
    RunState.SUCCEEDED: ("succeeded", logging.INFO),
    RunState.DEAD: ("dead", logging.ERROR),
    # A worker cancels a run only because it expired; people cancel runs through the model.
    RunState.CANCELLED: ("expired", logging.INFO),
    RunState.DISCARDED: ("ignored", logging.INFO),
    RunState.PENDING: ("released", logging.INFO),
    RunState.RUNNING: ("fenced", logging.WARNING),
}
