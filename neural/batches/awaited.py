"""The members of batches that are no runs of the ledger: they report how they ended."""

import logging
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.batches import ending
from neural.ledger.work_errors import ERROR_LENGTH
from neural.models import AwaitedMember, AwaitedState, Batch, BatchState, RunState, TaskRun
from neural.runs.models.run import FINISHED_STATES

logger = logging.getLogger(__name__)


def report(
    batch_key: str,
    task_id: str,
    group_index: int | None,
    state: AwaitedState,
    value: Any = None,
    error: str = "",
) -> None:
    """Record how a member ended, in a transaction of its own or in the caller's; the batch is asked
    on commit whether it is over.

    The first report counts. It may come before the batch is recorded. ``value`` is as JSON can
    keep it (``neural.kit.stored_json``), ``error`` one line about the exception. ``state`` is not
    OPEN.

    Anybody who can write to the broker can report. So a report changes nothing if there is a run of
    this task id that has not ended so, or if the batch was closed without such a member.
    """
    end: dict[str, Any] = {"state": state, "value": value, "error": error[:ERROR_LENGTH]}
    end["ended_at"] = Now()
    mine = {"batch_key": batch_key, "task_id": task_id}
    with transaction.atomic():
        if why := _refusal(batch_key, task_id, state):
            logger.warning(
                "event=report_refused batch=%r task=%r state=%s reason=%r",
                *(batch_key, task_id, state, why),
            )
            return
        awaited = AwaitedMember.objects.filter(**mine, ended_at=None)
        if not awaited.update(**end):
            early = AwaitedMember(**mine, **end, group_index=group_index)
            AwaitedMember.objects.bulk_create([early], ignore_conflicts=True)
            awaited.update(**end)  # if the batch's transaction has committed meanwhile
        _ended(batch_key, state)


def _refusal(batch_key: str, task_id: str, state: AwaitedState) -> str:
    runs = TaskRun.objects.filter(task_id=task_id).values_list("state", flat=True)
    for of_run in runs:
        has_ended = of_run in FINISHED_STATES
        if not has_ended or (of_run == RunState.SUCCEEDED) != (state == AwaitedState.SUCCEEDED):
            return f"its run is {of_run}"
    closed = Batch.objects.filter(batch_id=batch_key).exclude(state=BatchState.OPEN)
    announced = AwaitedMember.objects.filter(batch_key=batch_key, task_id=task_id)
    # In this order: a batch may be recorded with its members at this moment.
    return "the batch has no such member" if closed.exists() and not announced.exists() else ""


def fail(batch_key: str, task_id: str, error: str) -> None:
    """Record that a member can never start, since a run before it in its chain is dead. Call it in
    the transaction of that death. Does nothing unless the member is awaited and open."""
    end(batch_key, task_id, AwaitedState.FAILED, error)


@transaction.atomic
def end(batch_key: str, task_id: str, state: AwaitedState, error: str) -> None:
    """Record that a member can never start. Does nothing unless it is awaited and open."""
    theirs = AwaitedMember.objects.filter(batch_key=batch_key, task_id=task_id, ended_at=None)
    if theirs.update(state=state, error=error[:ERROR_LENGTH], ended_at=Now()):
        _ended(batch_key, state)


def revoke_all(batch_key: str) -> None:
    """Revoke the members that have not ended, because all of the group is revoked."""
    theirs = AwaitedMember.objects.filter(batch_key=batch_key, ended_at=None)
    if theirs.update(state=AwaitedState.REVOKED, error="revoked", ended_at=Now()):
        _ended(batch_key, AwaitedState.REVOKED)


def _ended(batch_key: str, state: AwaitedState) -> None:
    batches = list(Batch.objects.filter(batch_id=batch_key).values_list("pk", flat=True))
    if state == AwaitedState.FAILED:
        ending.note_deaths(batches)
    transaction.on_commit(lambda: ending.end_if_complete(batches), robust=True)
