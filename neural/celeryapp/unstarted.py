"""What a dead run has not started: it has failed like that run, until a person retries it.

The ids of the tasks that follow a run are known before they start, and callers wait for them. When
the run dies, each is noted as a member of no batch that is led by it. How it stands is read from
the run, and from its own as soon as it has one.
"""

from collections.abc import Iterable
from typing import Any

from celery import states
from django.db.models import Q, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from neural.celeryapp.celery_view import meta_of
from neural.ledger.record import TASK_ID_LENGTH
from neural.models import AwaitedMember, AwaitedState, TaskRun
from neural.models.batch import OF_NO_BATCH


def note(task_ids: Iterable[Any], led_by: TaskRun) -> None:
    """Note that these tasks have not started, because this run is dead. Call it in the transaction
    of its death."""
    known = {each for each in task_ids if isinstance(each, str) and 0 < len(each) <= TASK_ID_LENGTH}
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


def meta(task_id: str) -> dict[str, Any] | None:
    """A task as a result backend describes it, by its run or by the dead one that has not started
    it; None if it has neither."""
    noted = AwaitedMember.objects.filter(batch_key=OF_NO_BATCH, task_id=task_id)
    leader = Subquery(noted.values(leader=KeyTextTransform(0, "led_by"))[:1])
    either = TaskRun.objects.filter(Q(task_id=task_id) | Q(task_id=leader))
    found = {run.task_id: run for run in either.select_related("worker")}
    if task_id in found:
        return meta_of(found[task_id])
    for each in map(meta_of, found.values()):
        if each["status"] in states.PROPAGATE_STATES:
            return {**each, "task_id": task_id, "children": []}
    return None
