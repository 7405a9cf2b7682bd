"""Asking for indexing runs where marks wait: a duty of every relay.

Not asked by whoever marks: two transactions that record a run of one key wait for one another.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction

from neural.conf import conf
from neural.models import IndexLane, IndexMark, RunState, TaskRun
from neural.runs.enqueue import enqueue
from neural.runs.routing import (
    DEFAULT_PRIORITY,
    DEFAULT_QUEUE,
    LOW_PRIORITY,
    LOW_PRIORITY_QUEUE,
)
from neural.vectors.filling import wants_filling
from neural.vectors.names import INDEX_TASK

_WHERE: dict[bool, dict[str, Any]] = {
    False: {"queue": DEFAULT_QUEUE, "priority": DEFAULT_PRIORITY},
    True: {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY},
}


def ask_for_indexing() -> None:
    """Record the runs that waiting marks need, unless they are under way: of what happens now
    on ``default``, of history on ``low_priority``."""
    if conf().search:
        for history in (False, True):
            lanes = _lanes_needed(history)
            if history and not lanes:
                lanes = int(wants_filling())
            if lanes:
                _ask(history, lanes)


def _lanes_needed(history: bool) -> int:
    """One run takes what fits in a batch; more are needed for more."""
    waiting = IndexMark.objects.in_lane(0, of=1, history=history)
    number = len(waiting.values_list("pk", flat=True)[: conf().index_batch + 1])
    return conf().index_lanes if number > conf().index_batch else min(number, 1)


def _ask(history: bool, lanes: int) -> None:
    known = {lane.number: lane for lane in IndexLane.objects.filter(history=history)}
    busy = _under_way([lane.task_id for lane in known.values() if lane.task_id])
    for number in range(lanes):
        lane = known.get(number) or _new_lane(history, number)
        if lane.task_id not in busy:
            _hand_out(lane)


def others_under_way(lane: int, *, history: bool) -> bool:
    """Whether another lane of this kind has a run that waits or works."""
    others = IndexLane.objects.filter(history=history).exclude(number=lane).exclude(task_id="")
    return bool(_under_way(list(others.values_list("task_id", flat=True))))


def _under_way(task_ids: Sequence[str]) -> set[str]:
    runs = TaskRun.objects.filter(
        task_id__in=task_ids, state__in=(RunState.PENDING, RunState.RUNNING)
    )
    return set(runs.values_list("task_id", flat=True)) if task_ids else set()


def _new_lane(history: bool, number: int) -> IndexLane:
    return IndexLane.objects.get_or_create(history=history, number=number)[0]


def _hand_out(lane: IndexLane) -> None:
    """The run and the word that it has the lane, or neither: another relay was quicker."""
    with transaction.atomic():
        run = enqueue(
            task=INDEX_TASK,
            args=[],
            kwargs={"lane": lane.number, "history": lane.history},
            requested_by="relay",
            **_WHERE[lane.history],
        )
        transaction.set_rollback(not lane.hand_to(run.task_id))
