"""Records outcomes of claimed runs: many runs in one statement, each checked by its token."""

import json
import logging
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from django.db import transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import F
from django.db.models.functions import Now
from django.db.transaction import TransactionManagementError

from neural.kit.errors import NeuralError
from neural.ledger import dialects, ports
from neural.ledger.exception_facts import RAISED, facts_of, raised
from neural.ledger.outcome import Outcome
from neural.ledger.work_errors import ERROR_LENGTH
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun, WorkerProcess
from neural.runs.models.run import FINISHED_STATES
from neural.runs.models.run_log import log_change


class Fenced(NeuralError):
    """A run no longer belongs to this worker, because the worker was marked lost or the run
    revoked."""


def settle(outcomes: Sequence[Outcome], *, waits: bool = True) -> None:
    """Record outcomes in the current transaction. Unless it ``waits``, its commit leaves the disk
    to a later one, where the database :attr:`~neural.ledger.dialects.Dialect.flushes`.

    Raises :class:`Fenced` if one of the runs has been taken away. Then the caller must roll back
    the whole transaction, with the effects of the work.
    """
    with transaction.atomic(savepoint=False):
        attempts = [_attempt_row(outcome) for outcome in outcomes if outcome.attempt_outcome]
        if attempts:
            TaskAttempt.objects.bulk_create(attempts)
        dialect = dialects.ledger_dialect()
        rows = json.dumps([_row(dialect, each) for each in outcomes])
        inserts = ports.inserts_for(outcomes)
        along = inserts if dialect.changes_rows_in_with else []
        with dialects.preparing_cursor() as cursor:
            along_with = tuple(_insert(insert) for insert, _ in along)
            statement = _statement(dialect, along_with, waits or not dialect.flushes)
            cursor.execute(statement, [*(text for _, text in along), rows])
            if cursor.rowcount != len(outcomes):
                raise Fenced(
                    f"{len(outcomes) - cursor.rowcount} of {len(outcomes)} runs were taken away"
                )
            if not along:
                _insert_each(cursor, inserts)
        for each in outcomes:
            if each.expires_at:
                options = {**each.run.options, "expires_at": each.expires_at}
                TaskRun.objects.filter(pk=each.run.pk).update(options=options)
        if ended := [_ended(each) for each in outcomes if each.state in FINISHED_STATES]:
            ports.notify_ended(ended)
        if dialects.ledger_connection().needs_rollback:
            raise TransactionManagementError("the outcome was undone by what follows the run")


def _ended(outcome: Outcome) -> ports.Ended:
    error = outcome.exception
    kind = type(error).__name__ if error else ""
    return ports.Ended(outcome.run, outcome.state, kind, outcome.value)


def _attempt_row(outcome: Outcome) -> TaskAttempt:
    attempt = TaskAttempt(
        run=outcome.run,
        outcome=outcome.attempt_outcome or AttemptOutcome.FAILED,
        started_at=outcome.started_at,
        finished_at=outcome.finished_at,
        worker_id=outcome.run.worker_id,
        process_id=outcome.run.process_id,
        error=outcome.error[:ERROR_LENGTH],
        traceback=outcome.traceback,
    )
    if outcome.exception and outcome.attempt_outcome == AttemptOutcome.FAILED:
        facts, error = facts_of(outcome.exception), raised(outcome.exception)
        attempt.exception_facts = {**facts, RAISED: error} if error else facts
    return attempt


def _row(dialect: dialects.Dialect, outcome: Outcome) -> dict[str, Any]:
    finished = outcome.state != RunState.PENDING
    return {
        "id": outcome.run.pk,
        "token": outcome.run.token,
        "state": outcome.state.value,
        "started_at": dialect.moment(outcome.started_at),
        "finished_at": dialect.moment(outcome.finished_at) if finished else None,
        "due_at": dialect.moment(outcome.due_at),
        "failures": outcome.failures,
        "result": outcome.result,
        "error": outcome.error[:ERROR_LENGTH],
    }


_COLUMNS = {
    "id": "bigint",
    "token": "bigint",
    "state": "text",
    "started_at": "timestamptz",
    "finished_at": "timestamptz",
    "due_at": "timestamptz",
    "failures": "smallint",
    "result": "text",
    "error": "text",
}


def note_settled(outcomes: Sequence[Outcome]) -> None:
    """Tell those who listen of outcomes that were not recorded by :func:`settle`, in the current
    transaction."""
    with dialects.preparing_cursor() as cursor:
        _insert_each(cursor, ports.inserts_for(outcomes))


def check_inserts() -> None:
    """Raise a DatabaseError if a table does not exist into which settling inserts: nothing could
    be settled, and runs would be lost again and again."""
    with dialects.ledger_connection().cursor() as cursor:
        for insert in ports.every_insert():
            cursor.execute(f"SELECT {insert.column} FROM {insert.table} LIMIT 0")


def _insert_each(cursor: CursorWrapper, inserts: Iterable[tuple[ports.Insert, str]]) -> None:
    for insert, text in inserts:
        cursor.execute(_insert(insert), [text])


def _insert(insert: ports.Insert) -> str:
    return f"INSERT INTO {insert.table} ({insert.column}) VALUES (%s)"


@cache
def _statement(dialect: dialects.Dialect, inserts: tuple[str, ...], waits: bool) -> str:
    """The statement that settles; ``inserts`` are done along with it."""
    along = ", ".join(f"inserted{number} AS ({each})" for number, each in enumerate(inserts))
    return f"""
        {"WITH " + along if along else ""}
        UPDATE neural_taskrun AS run SET
            state = settled.state,
            token = NULL,
            started_at = settled.started_at,
            finished_at = settled.finished_at,
            available_at = COALESCE(settled.due_at, run.available_at),
            publish_at = COALESCE(settled.due_at, run.publish_at),
            failures = settled.failures,
            result = {_result(dialect)},
            error = settled.error
        FROM {dialect.records(_COLUMNS, "settled")} WHERE run.id = settled.id
          AND run.token = settled.token AND run.state = 'running'
        {"" if waits else "RETURNING " + dialect.not_waiting_for_the_disk("TRUE")}
    """


def _result(dialect: dialects.Dialect) -> str:
    """SQL of the new ``result``. A pending run keeps its result, so the checkpoint of a snoozed run
    outlives a later attempt that fails."""
    result = dialect.as_json("settled.result")
    return (
        f"CASE settled.state WHEN 'pending' THEN COALESCE({result}, run.result) ELSE {result} END"
    )


def mark_lost(runs: Iterable[TaskRun], *, max_losses: int, why: str) -> int:
    """Count a lost delivery for runs whose process is gone, and make them due again.

    A run with ``max_losses`` lost deliveries is dead, as poison. ``why`` is kept as its error.
    Returns how many runs were changed; the others had been settled or taken away already.
    """
    changed = 0
    for run in runs:
        state, error, losses = RunState.PENDING, why, run.losses + 1
        if losses >= max_losses:
            state = RunState.DEAD
            error = f"{why}; given up as poison after {max_losses} lost deliveries"
        changed += _take_away(run, AttemptOutcome.LOST, error, state=state, losses=losses)
    return changed


def release(runs: Iterable[TaskRun], *, why: str) -> int:
    """Make the claimed runs of a worker that stops gracefully due again; returns how many.

    No failed attempt and no lost delivery is counted. ``why`` is kept as their error.
    """
    return sum(
        _take_away(run, AttemptOutcome.RELEASED, why, state=RunState.PENDING, losses=run.losses)
        for run in runs
    )


def _take_away(
    run: TaskRun,
    outcome: AttemptOutcome,
    error: str,
    *,
    state: RunState,
    losses: int,
) -> bool:
    changes: dict[str, Any] = {"state": state, "token": None, "losses": losses, "error": error}
    is_dead = state == RunState.DEAD
    changes |= {"finished_at": Now()} if is_dead else {"available_at": Now(), "publish_at": Now()}
    with transaction.atomic():
        theirs = TaskRun.objects.running().filter(pk=run.pk, token=run.token)
        if not theirs.update(**changes):
            return False
        attempt = TaskAttempt.objects.create(
            run=run,
            outcome=outcome,
            started_at=run.started_at or Now(),
            worker_id=run.worker_id,
            process_id=run.process_id,
            error=error,
        )
        if outcome == AttemptOutcome.LOST and run.worker_id is not None:
            holder = WorkerProcess.objects.filter(pk=run.worker_id)
            holder.update(recovered_runs=F("recovered_runs") + 1)
        if is_dead:
            ports.notify_ended([ports.Ended(run, state)])
        if outcome == AttemptOutcome.LOST:
            lost = Outcome(
                run=run,
                state=state,
                started_at=attempt.finished_at,  # nobody knows how long it ran
                finished_at=attempt.finished_at,
                failures=run.failures,
                attempt_outcome=outcome,
                error=error,
            )
            note_settled([lost])
            transaction.on_commit(lambda: ports.died([lost]), robust=True)
        transaction.on_commit(lambda: _log(run, outcome, error, state, losses), robust=True)
    return True


def _log(run: TaskRun, outcome: AttemptOutcome, error: str, state: RunState, losses: int) -> None:
    facts: dict[str, Any] = {"reason": error, "losses": losses, "process": run.process_id}
    if outcome == AttemptOutcome.LOST:
        log_change("lost", [run], level=logging.WARNING, **facts)
    else:
        log_change("released", [run], **facts)
    if state == RunState.DEAD:
        log_change("dead", [run], level=logging.ERROR, error=error, losses=losses)
