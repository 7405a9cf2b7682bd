"""Runs of indexing: scheduled where entries wait, by every relay, and worked off batch by batch.

The writers of entries schedule nothing, because two transactions that record a run with the same
key would wait for each other.

A delay in search hurts less than a delay in handling. So while other work waits, only one shard
works, in short slices. It gets these slices however long the other work goes on."""

import datetime as dt
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from neural.kit.errors import NeuralError
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze, checkpoint
from neural.models import RunState, TaskRun
from neural.queues import DEFAULT_PRIORITY, DEFAULT_QUEUE, LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.queues.pausing import LEAST_URGENT, backlog_waits, others_wait
from neural.retrieval.collections.registry import collection_of, collections
from neural.retrieval.conf import conf
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.batches import batch_size, bisect, blames_a_record, reason_of
from neural.retrieval.index.fields import TOKEN_FORM
from neural.retrieval.index.indexing import (
    fill_gaps,
    has_gaps,
    index_entries,
    is_time_to_look,
)
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.index.writing import measure
from neural.retrieval.models import IndexShard, IndexState, OutboxEntry, SearchIndex

INDEX_TASK = "neural.tasks.index_marked"
_WHERE: dict[bool, dict[str, Any]] = {
    False: {"queue": DEFAULT_QUEUE, "priority": DEFAULT_PRIORITY},
    True: {"queue": LOW_PRIORITY_QUEUE, "priority": LOW_PRIORITY},
}

RESTS_FOR_A_SLICE = 9
"""While other work waits, a slice is followed by a rest this many times as long, so that indexing
uses a tenth of one process."""
LONGEST_REST = dt.timedelta(seconds=60)
AGAIN = dt.timedelta(hours=1)
"""A rebuild that was cancelled, by a person or with its run, is not begun again for so long."""


def schedule_indexing() -> None:
    """Record the runs that waiting entries need, unless such runs are under way. Live entries are
    indexed on ``default``, history on ``low_priority``."""
    if conf().search:
        looks = is_time_to_look()
        if looks:
            _replace_outdated()
        for history in (False, True):
            if shards := _shards_needed(history) or int(history and looks and has_gaps()):
                _ask(history, shards)


def _replace_outdated() -> None:
    """Have indexes of an older release rebuilt, whose words this one does not read, also those in a
    vector store that was its default."""
    known = [each.name for each in collections()]
    outdated = SearchIndex.objects.active().filter(collection__in=known, token_form__lt=TOKEN_FORM)
    tried = Q(state=IndexState.BUILDING) | Q(ended_at__gt=Now() - AGAIN, state=IndexState.CANCELLED)
    in_work = SearchIndex.objects.filter(tried).values("collection")
    for index in outdated.exclude(collection__in=in_work):
        open_rebuild(index.collection, requested_by="release")


def _shards_needed(history: bool) -> int:
    """One run suffices for what fits in a batch; more entries need all shards."""
    waiting = OutboxEntry.objects.in_shard(0, of=1, history=history)
    number = len(waiting.values_list("pk", flat=True)[: conf().index_batch + 1])
    return conf().index_shards if number > conf().index_batch else min(number, 1)


def _ask(history: bool, shards: int) -> None:
    known = {shard.number: shard for shard in IndexShard.objects.filter(history=history)}
    busy = _under_way([shard.task_id for shard in known.values() if shard.task_id])
    wanted = [
        known.get(number) or IndexShard.objects.get_or_create(history=history, number=number)[0]
        for number in range(shards)
    ]
    idle = [shard for shard in wanted if shard.task_id not in busy]
    # The first shard comes last: it takes the entries of all shards unless others are under way.
    for shard in reversed(_welcome(idle, history) if idle else ()):
        _hand_out(shard)


def _welcome(shards: Sequence[IndexShard], history: bool) -> Sequence[IndexShard]:
    """The shards among these that may run beside the other work."""
    first = [shard for shard in shards if shard.number == 0]
    waits = partial(backlog_waits, task=INDEX_TASK, queue=_WHERE[history]["queue"])
    if waits(least_priority=_WHERE[history]["priority"]):
        return [shard for shard in first if _has_waited(shard)]
    return first if shards != first and waits(least_priority=LEAST_URGENT) else shards


def _has_waited(shard: IndexShard) -> bool:
    """Whether the oldest entry has waited long enough, and the shard has rested since its last
    run."""
    first = OutboxEntry.objects.in_shard(0, of=1, history=shard.history)
    times = first.values_list("created_at", Now()).first()
    if times is None:
        return False  # all was indexed meanwhile
    patience = dt.timedelta(seconds=conf().index_patience_seconds)
    ready_at = times[0] + patience
    ended: Any = TaskRun.objects.filter(task_id=shard.task_id, started_at__lte=F("finished_at"))
    for run in ended:
        rest = min(RESTS_FOR_A_SLICE * (run.finished_at - run.started_at), LONGEST_REST)
        ready_at = max(ready_at, run.finished_at + max(rest, patience))
    return bool(times[1] >= ready_at)


def others_under_way(shard: int, *, history: bool) -> bool:
    """Whether another live shard (or one of history) has a run that waits or works."""
    others = IndexShard.objects.filter(history=history).exclude(number=shard).exclude(task_id="")
    return bool(_under_way(list(others.values_list("task_id", flat=True))))


def _under_way(task_ids: Sequence[str]) -> set[str]:
    runs = TaskRun.objects.filter(
        task_id__in=task_ids, state__in=(RunState.PENDING, RunState.RUNNING)
    )
    return set(runs.values_list("task_id", flat=True)) if task_ids else set()


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


# A pass is one attempt of an indexing run, until nothing waits or its time is up


logger = logging.getLogger(__name__)

TROUBLE_SECONDS = 5.0
"""A shard that met trouble in one collection is snoozed for so long. The other collections of the
shard wait with it."""


@dataclass(frozen=True)
class _Pass:
    shard: int
    history: bool
    counts: dict[str, int]
    troubles: dict[str, Exception] = field(default_factory=dict)
    """Errors by collection."""
    touched: set[str] = field(default_factory=set)


def index_outbox(*, shard: int, history: bool) -> dict[str, Any]:
    """Index what waits in a shard, until nothing does or the time is up; returns counts.

    While other work waits, the pass ends after a batch, and the relay decides when to schedule it
    again. A collection may need a person (its model is missing, its table is lost): it is skipped,
    its entries stay, and the shard says why. A collection whose store or model is unavailable is
    skipped too, but the run then fails at the end, and the ledger retries it without limit.
    """
    before = checkpoint() or {}
    this = _Pass(shard, history, {name: before.get(name, 0) for name in ("indexed", "refused")})
    until = time.monotonic() + conf().index_run_seconds
    gives_way = False
    while entries := _next(this):
        for collection in dict.fromkeys(entry.collection for entry in entries):
            _index(this, collection, [each for each in entries if each.collection == collection])
        # The first shard yields to work of at least its own priority. The other shards use spare
        # capacity only and yield to any work.
        gives_way = others_wait(least_priority=LEAST_URGENT if shard else None)
        if gives_way or time.monotonic() > until:
            break
    # Last, because these records can be found by their words already, and by one shard only.
    is_done = not entries and not (history and shard == 0 and fill_gaps(batch_size()))
    _look_after(this.touched)
    reasons = _note_trouble(this)
    waits = {"waits": reasons} if this.troubles else {}
    if waits or not (is_done or gives_way):
        raise Snooze(TROUBLE_SECONDS if waits else 0, checkpoint=this.counts | waits)
    return this.counts


def _next(this: _Pass) -> Sequence[OutboxEntry]:
    """The next entries of the shard. The first shard takes those of all shards while it works
    alone."""
    is_alone = this.shard == 0 and not others_under_way(this.shard, history=this.history)
    shards = 1 if is_alone else conf().index_shards
    waiting = OutboxEntry.objects.in_shard(this.shard, of=shards, history=this.history)
    return list(waiting.exclude(collection__in=this.troubles)[: batch_size()])


def _index(this: _Pass, collection: str, entries: Sequence[OutboxEntry]) -> None:
    try:
        done, failed = bisect(entries, partial(index_entries, collection))
    except Exception as error:
        if not (isinstance(error, NeuralError) or blames_a_record(error)):
            raise  # the database is unavailable, or the time is up
        this.troubles[collection] = error
        return
    for entry, why in failed:
        OutboxEntry.objects.refuse([entry.pk], reason_of(why))
        logger.error("event=record_refused records=1 key=%r", entry.key, exc_info=why)
    indexed = sum(len(each.keys) for each in done)
    this.counts["indexed"] += indexed
    this.counts["refused"] += sum(len(each.refused) for each in done) + len(failed)
    if indexed:
        this.touched.add(collection)


def _note_trouble(this: _Pass) -> dict[str, str]:
    """The troubles that need a person, by collection. They are noted on the shard, and logged if
    they are news. Raises the error of an unavailable store or model, after the other collections
    had their turn."""
    away = [each for each in this.troubles.values() if not getattr(each, "permanent", True)]
    reasons = {
        name: reason_of(error) for name, error in sorted(this.troubles.items()) if error not in away
    }
    trouble = "; ".join(f"{name}: {why}" for name, why in reasons.items())
    for shard in IndexShard.objects.filter(history=this.history, number=this.shard):
        if shard.note_trouble(trouble) and trouble:
            logger.warning("event=indexing_waits shard=%r reason=%r", str(shard), trouble)
            for name, error in this.troubles.items():
                if not isinstance(error, NeuralError):
                    logger.error("event=indexing_failed collection=%s", name, exc_info=error)
    for error in away:
        raise error
    return reasons


def _look_after(collections: Iterable[str]) -> None:
    """Record the sizes of the indexes."""
    for name in collections:
        measure(written_indexes(collection_of(name)))
