"""Scheduling of indexing runs where entries wait. Every relay does this.

The writers of entries do not, because two transactions that record a run with the same key would
wait for each other.

A delay in search hurts less than a delay in handling. So while other work waits, only one shard
works, in short slices. It gets these slices however long the other work goes on.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from neural.ledger.pausing import LEAST_URGENT, backlog_waits
from neural.ledger.record import enqueue
from neural.models import RunState, TaskRun
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.retrieval.conf import conf
from neural.retrieval.index.filling import wants_filling
from neural.retrieval.models import IndexShard, OutboxEntry

INDEX_TASK = "neural.tasks.index_marked"
_WHERE: dict[bool, dict[str, Any]] = {
    False: {"queue": DEFAULT_QUEUE, "priority": DEFAULT_PRIORITY},
    True: {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY},
}

RESTS_FOR_A_SLICE = 9
"""While other work waits, a slice is followed by a rest this many times as long, so that indexing
uses a tenth of one process."""
LONGEST_REST = dt.timedelta(seconds=60)


def schedule_indexing() -> None:
    """Record the runs that waiting entries need, unless such runs are under way. Live entries are
    indexed on ``default``, history on ``low_priority``."""
    if conf().search:
        for history in (False, True):
            shards = _shards_needed(history)
            if history and not shards:
                shards = int(wants_filling())
            if shards:
                _ask(history, shards)


def _shards_needed(history: bool) -> int:
    """One run suffices for what fits in a batch; more entries need all shards."""
    waiting = OutboxEntry.objects.in_shard(0, of=1, history=history)
    number = len(waiting.values_list("pk", flat=True)[: conf().index_batch + 1])
    return conf().index_shards if number > conf().index_batch else min(number, 1)


def _ask(history: bool, shards: int) -> None:
    known = {shard.number: shard for shard in IndexShard.objects.filter(history=history)}
    busy = _under_way([shard.task_id for shard in known.values() if shard.task_id])
    wanted = [known.get(number) or _new_shard(history, number) for number in range(shards)]
    idle = [shard for shard in wanted if shard.task_id not in busy]
    # The first shard comes last: it takes the entries of all shards unless others are under way.
    for shard in reversed(_welcome(idle, history) if idle else ()):
        _hand_out(shard)


def _welcome(shards: Sequence[IndexShard], history: bool) -> Sequence[IndexShard]:
    """The shards among these that may run beside the other work."""
    first = [shard for shard in shards if shard.number == 0]
    if _others_wait(history, _WHERE[history]["priority"]):
        return [shard for shard in first if _has_waited(shard)]
    return first if shards != first and _others_wait(history, LEAST_URGENT) else shards


def _others_wait(history: bool, least_priority: int) -> bool:
    queue = _WHERE[history]["queue"]
    return backlog_waits(task=INDEX_TASK, queue=queue, least_priority=least_priority)


def _has_waited(shard: IndexShard) -> bool:
    """Whether the oldest entry has waited long enough, and the shard has rested."""
    first = OutboxEntry.objects.in_shard(0, of=1, history=shard.history)
    times = first.values_list("created_at", Now()).first()
    if times is None:
        return False  # all was indexed meanwhile
    created_at, now = times
    patience = dt.timedelta(seconds=conf().index_patience_seconds)
    ready_at = created_at + patience
    return bool(now >= max(ready_at, _rests_until(shard, patience) or ready_at))


def _rests_until(shard: IndexShard, patience: dt.timedelta) -> dt.datetime | None:
    """When the shard may work again after its last run; None if there was no run."""
    ended = TaskRun.objects.filter(task_id=shard.task_id, started_at__lte=F("finished_at"))
    last: Any = ended.values_list("started_at", "finished_at").first()
    if last is None:
        return None
    began_at: dt.datetime = last[0]
    ended_at: dt.datetime = last[1]
    rest = min(RESTS_FOR_A_SLICE * (ended_at - began_at), LONGEST_REST)
    return ended_at + max(rest, patience)


def others_under_way(shard: int, *, history: bool) -> bool:
    """Whether another live shard (or one of history) has a run that waits or works."""
    others = IndexShard.objects.filter(history=history).exclude(number=shard).exclude(task_id="")
    return bool(_under_way(list(others.values_list("task_id", flat=True))))


def _under_way(task_ids: Sequence[str]) -> set[str]:
    runs = TaskRun.objects.filter(
        task_id__in=task_ids, state__in=(RunState.PENDING, RunState.RUNNING)
    )
    return set(runs.values_list("task_id", flat=True)) if task_ids else set()


def _new_shard(history: bool, number: int) -> IndexShard:
    return IndexShard.objects.get_or_create(history=history, number=number)[0]


def _hand_out(shard: IndexShard) -> None:
    """Record the run and assign it to the shard, or do neither if another relay was faster."""
    with transaction.atomic():
        run = enqueue(
            task=INDEX_TASK,
            args=[],
            kwargs={"shard": shard.number, "history": shard.history},
            requested_by="relay",
            **_WHERE[shard.history],
        )
        transaction.set_rollback(not shard.hand_to(run.task_id))
