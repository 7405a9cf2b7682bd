"""What a dead run has not started: it has failed like that run, until a person retries it.

The ids of the tasks that follow a run are known before they start, and callers wait for them. When
the run dies, each is noted as a member of no batch that is led by it. How it stands is read from
the run, and from its own as soon as it has one.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from celery import states
from django.db.models import Q, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Now

from neural.celeryapp.celery_view import meta_of, metas_of
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
    return next((each for run in found.values() for each in _as_of(meta_of(run), task_id)), None)


def metas(task_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Those of these tasks, which have no runs, that a dead run has not started."""
    noted = AwaitedMember.objects.filter(batch_key=OF_NO_BATCH, task_id__in=list(task_ids))
    leaders = {task_id: leader for task_id, (leader, *_) in noted.values_list("task_id", "led_by")}
    runs = TaskRun.objects.filter(task_id__in=set(leaders.values())).select_related("worker")
    found = {each["task_id"]: each for each in metas_of(runs)}
    for task_id, leader in leaders.items():
        if leader in found:
            yield from _as_of(found[leader], task_id)


def _as_of(leader: Mapping[str, Any], task_id: str) -> Iterator[dict[str, Any]]:
    if leader["status"] in states.PROPAGATE_STATES:
        yield {**leader, "task_id": task_id, "children": []}
