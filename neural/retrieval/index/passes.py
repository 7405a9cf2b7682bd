"""A pass is one attempt of an indexing run: batch after batch, until nothing waits or its time is
up."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from neural.errors import NeuralError
from neural.ledger.pausing import LEAST_URGENT, others_wait
from neural.ledger.work import Snooze, checkpoint
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.conf import conf
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.batches import batch_size
from neural.retrieval.index.bisecting import bisect
from neural.retrieval.index.compaction import schedule_compaction
from neural.retrieval.index.filling import fill_gaps
from neural.retrieval.index.indexing import blames_a_record, index_entries, reason_of
from neural.retrieval.index.restored import count_writes
from neural.retrieval.index.scheduling import others_under_way
from neural.retrieval.index.writing import measure
from neural.retrieval.models import IndexShard, OutboxEntry

logger = logging.getLogger(__name__)

TROUBLE_SECONDS = 5.0
"""A shard that met trouble in one collection is snoozed for so long. The other collections of the
shard wait with it."""


def index_outbox(*, shard: int, history: bool) -> dict[str, Any]:
    """Index what waits in a shard, until nothing does or the time is up; returns counts.

    While other work waits, the pass ends after a batch, and the relay decides when to schedule it
    again. A collection may need a person (its model is missing, its table is lost): it is skipped,
    its entries stay, and the shard says why. A collection whose store or model is unavailable is
    skipped too, but the run then fails at the end, and the ledger retries it without limit.
    """
    index_pass = _IndexPass(shard=shard, history=history)
    index_pass.run()
    index_pass.log()
    index_pass.fail_for_what_is_away()
    if index_pass.troubles:
        raise Snooze(TROUBLE_SECONDS, checkpoint=index_pass.counts())
    if not index_pass.is_done and not index_pass.gives_way:
        raise Snooze(0, checkpoint=index_pass.counts())
    return index_pass.counts()


class _IndexPass:
    """One attempt of a shard's run."""

    def __init__(self, *, shard: int, history: bool) -> None:
        self.shard, self.history = shard, history
        before = checkpoint() or {}
        self.indexed = before.get("indexed", 0)
        self.refused = before.get("refused", 0)
        self.troubles: dict[str, Exception] = {}
        self.touched: set[str] = set()
        self.is_done = self.gives_way = False

    def run(self) -> None:
        """Index at least one batch, then more while no other work waits and there is time."""
        until = time.monotonic() + conf().index_run_seconds
        while entries := self._next():
            for collection, theirs in _by_collection(entries).items():
                self._index(collection, theirs)
            self.gives_way = self._is_in_the_way()
            if self.gives_way or time.monotonic() > until:
                break
        # Last, because these records can be found by their words already.
        self.is_done = not entries and not (self.fills_gaps and fill_gaps(batch_size()))
        _look_after(self.touched)

    def _is_in_the_way(self) -> bool:
        """Whether other work should have this process. The first shard yields to work of at least
        its own priority. The other shards use spare capacity only and yield to any work."""
        return others_wait(least_priority=LEAST_URGENT if self.shard else None)

    @property
    def fills_gaps(self) -> bool:
        """Only the first shard of history fills gaps."""
        return self.history and self.shard == 0

    def _next(self) -> Sequence[OutboxEntry]:
        """The next entries of the shard. The first shard takes those of all shards while it works
        alone."""
        is_alone = self.shard == 0 and not others_under_way(self.shard, history=self.history)
        shards = 1 if is_alone else conf().index_shards
        waiting = OutboxEntry.objects.in_shard(self.shard, of=shards, history=self.history)
        if self.troubles:
            waiting = waiting.exclude(collection__in=self.troubles)
        return list(waiting[: batch_size()])

    def _index(self, collection: str, entries: Sequence[OutboxEntry]) -> None:
        try:
            done, failed = bisect(
                entries, partial(index_entries, collection), blames=blames_a_record
            )
        except Exception as error:
            if not (isinstance(error, NeuralError) or blames_a_record(error)):
                raise  # the database is unavailable, or the time is up
            self.troubles[collection] = error
            return
        for entry, why in failed:
            _refuse(entry, why)
        if any(each.keys for each in done):
            self.touched.add(collection)
        self.indexed += sum(len(each.keys) for each in done)
        self.refused += sum(len(each.refused) for each in done) + len(failed)

    def log(self) -> None:
        """Note on the shard why it waits, and log it if it is news."""
        trouble = "; ".join(f"{name}: {why}" for name, why in sorted(self._told().items()))
        for shard in IndexShard.objects.filter(history=self.history, number=self.shard):
            if shard.note_trouble(trouble) and trouble:
                logger.warning("event=indexing_waits shard=%r reason=%r", str(shard), trouble)
                self._trace()

    def _told(self) -> dict[str, str]:
        """The troubles that need a person, by collection."""
        return {
            name: reason_of(error) for name, error in self.troubles.items() if not _is_away(error)
        }

    def fail_for_what_is_away(self) -> None:
        """Raise the error of an unavailable store or model, after the other collections had their
        turn."""
        for error in filter(_is_away, self.troubles.values()):
            raise error

    def _trace(self) -> None:
        """Log the traceback of unexpected errors."""
        for name, error in self.troubles.items():
            if not isinstance(error, NeuralError):
                logger.error("event=indexing_failed collection=%s", name, exc_info=error)

    def counts(self) -> dict[str, Any]:
        waits = {"waits": self._told()} if self.troubles else {}
        return {"indexed": self.indexed, "refused": self.refused, **waits}


def _is_away(error: Exception) -> bool:
    return isinstance(error, NeuralError) and not error.permanent


def _refuse(entry: OutboxEntry, why: Exception) -> None:
    OutboxEntry.objects.refuse([entry.pk], reason_of(why))
    logger.error("event=record_refused records=1 key=%r", entry.key, exc_info=why)


def _by_collection(entries: Iterable[OutboxEntry]) -> dict[str, list[OutboxEntry]]:
    """The entries by collection."""
    found: defaultdict[str, list[OutboxEntry]] = defaultdict(list)
    for entry in entries:
        found[entry.collection].append(entry)
    return found


def _look_after(collections: Iterable[str]) -> None:
    """Count the writes, record the sizes of the tables, and schedule a compaction if one has grown
    a lot."""
    for name in collections:
        indexes = written_indexes(collection_of(name))
        count_writes(indexes)
        if measure(indexes) >= conf().index_compact_rows:
            schedule_compaction()
