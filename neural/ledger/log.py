"""Log lines about a worker's runs: when they start, and their outcomes."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from neural.ledger.outcome import Outcome
from neural.ledger.work import Snooze
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.models.run_log import log_change


def log_started(runs: Sequence[TaskRun]) -> None:
    """Log that these runs, claimed together, have started. The number of the attempt is logged for
    a single run only."""
    told: dict[str, Any] = {"attempt": runs[0].attempt_number} if len(runs) == 1 else {}
    log_change("started", runs, **told)


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
        _log_one(outcome)


def _log_one(outcome: Outcome) -> None:
    change, level = _change(outcome)
    facts: dict[str, Any] = {"attempt": outcome.run.attempt_number, "seconds": _seconds(outcome)}
    if outcome.error:
        facts["error"] = outcome.error
    if outcome.due_at:
        facts["retry_at"] = outcome.due_at.isoformat(timespec="seconds")
    log_change(change, [outcome.run], level=level, **facts)


def _change(outcome: Outcome) -> tuple[str, int]:
    if isinstance(outcome.exception, Snooze):
        return ("released", logging.INFO) if outcome.error else ("snoozed", logging.DEBUG)
    if outcome.not_started:
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


def _seconds(outcome: Outcome) -> float:
    return (outcome.finished_at - outcome.started_at).total_seconds()
