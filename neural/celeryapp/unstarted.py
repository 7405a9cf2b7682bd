"""What a dead run has not started: it has failed like that run, until a person retries it.

The ids of the tasks that follow a run are known before they start, and callers wait for them. When
the run dies, each is noted as a member of no batch that is led by it. How it stands is read from
the run, unless it has one of its own or has ended in the result backend.
"""

from collections.abc import Iterable
from typing import Any

from celery import states
from django.db.models.functions import Now

from neural.batches.models import OF_NO_BATCH
from neural.celeryapp.celery_view import metas_of
from neural.ledger import dialects
from neural.ledger.record import TASK_ID_LENGTH
from neural.models import AwaitedMember, AwaitedState, TaskRun


def note(task_ids: Iterable[str], led_by: TaskRun) -> None:
    """Note that these tasks have not started, because this run is dead. Call it in the transaction
    of its death."""
    known = {each for each in task_ids if 0 < len(each) <= TASK_ID_LENGTH}
    rows = [
        AwaitedMember(
            batch_key=OF_NO_BATCH,
            task_id=each,
            led_by=[led_by.task_id],
            state=AwaitedState.FAILED,
            ended_at=Now(),
        )
        for each in sorted(known)
    ]
    AwaitedMember.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["batch_key", "task_id"],
        update_fields=["led_by", "ended_at"],
    )


def metas(task_ids: Iterable[str]) -> list[dict[str, Any]]:
    """Those of these tasks, which are no runs, that a dead run has not started, as a result backend
    describes them."""
    dialect = dialects.ledger_dialect()
    are_asked, asked = dialect.is_one_of("task_id"), dialect.bound_list(task_ids)
    rows = f"SELECT * FROM neural_awaitedmember WHERE batch_key = '{OF_NO_BATCH}' AND {are_asked}"
    leaders = {row.task_id: row.led_by[0] for row in AwaitedMember.objects.raw(rows, [asked])}
    dead = TaskRun.objects.filter(task_id__in=leaders.values()).select_related("worker")
    found = {meta["task_id"]: meta for meta in metas_of(dead if leaders else ())}
    return [
        {**found[leader], "task_id": task_id, "children": []}
        for task_id, leader in leaders.items()
        if leader in found and found[leader]["status"] in states.PROPAGATE_STATES
    ]
