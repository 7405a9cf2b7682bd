"""Asking for indexing runs where marks wait: a duty of every relay.

Not asked by whoever marks: two transactions that record a run of one key wait for one another.

What is found late hurts less than what is handled late: while other work waits, one lane alone has
a slice now and then. That it gets, however long the others go on.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from neural.ledger.making_room import LEAST_URGENT, backlog_waits
from neural.ledger.record import enqueue
from neural.models import RunState, TaskRun
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.retrieval.conf import conf
from neural.retrieval.index.filling import wants_filling
from neural.retrieval.models import IndexLane, IndexMark

INDEX_TASK = "neural.tasks.index_marked"
_WHERE: dict[bool, dict[str, Any]] = {
    False: {"queue": DEFAULT_QUEUE, "priority": DEFAULT_PRIORITY},
    True: {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY},
}

RESTS_FOR_A_SLICE = 9
"""While other work waits, a slice is followed by a rest so many times as long: a tenth of one
process is what indexing has then."""
LONGEST_REST = dt.timedelta(seconds=60)


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
    wanted = [known.get(number) or _new_lane(history, number) for number in range(lanes)]
    idle = [lane for lane in wanted if lane.task_id not in busy]
    # The first lane last: it takes the others' shares, too, unless they are under way.
    for lane in reversed(_welcome(idle, history) if idle else ()):
        _hand_out(lane)


def _welcome(lanes: Sequence[IndexLane], history: bool) -> Sequence[IndexLane]:
    """Those of these lanes that other work leaves room for."""
    first = [lane for lane in lanes if lane.number == 0]
    if _others_wait(history, _WHERE[history]["priority"]):
        return [lane for lane in first if _has_waited(lane)]
    return first if lanes != first and _others_wait(history, LEAST_URGENT) else lanes


def _others_wait(history: bool, least_priority: int) -> bool:
    queue = _WHERE[history]["queue"]
    return backlog_waits(task=INDEX_TASK, queue=queue, least_priority=least_priority)


def _has_waited(lane: IndexLane) -> bool:
    """Whether the first record has waited long enough, and the lane has rested."""
    first = IndexMark.objects.in_lane(0, of=1, history=lane.history)
    times = first.values_list("marked_at", Now()).first()
    if times is None:
        return False  # it was indexed meanwhile
    marked_at, now = times
    patience = dt.timedelta(seconds=conf().index_patience_seconds)
    ready_at = marked_at + patience
    return bool(now >= max(ready_at, _rests_until(lane, patience) or ready_at))


def _rests_until(lane: IndexLane, patience: dt.timedelta) -> dt.datetime | None:
    """When the lane may go on after its last run, if there was one."""
    ended = TaskRun.objects.filter(task_id=lane.task_id, started_at__lte=F("finished_at"))
    last: Any = ended.values_list("started_at", "finished_at").first()
    if last is None:
        return None
    began_at: dt.datetime = last[0]
    ended_at: dt.datetime = last[1]
    rest = min(RESTS_FOR_A_SLICE * (ended_at - began_at), LONGEST_REST)
    return ended_at + max(rest, patience)


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
