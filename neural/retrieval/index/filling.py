"""Filling gaps: adding vectors to rows that were written without them.

A process that lacks the model of an index writes rows without vectors. A process that has the model
writes them again.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial

from neural.retrieval.collections.registry import collection_of, collections
from neural.retrieval.conf import conf
from neural.retrieval.index.active import its_embedder
from neural.retrieval.index.bisecting import bisect
from neural.retrieval.index.indexing import blames_a_record, entry_records, reason_of
from neural.retrieval.index.rows import documents_of, vectors_for, version_now
from neural.retrieval.index.writing import write
from neural.retrieval.models import IndexGap, OutboxEntry, SearchIndex

logger = logging.getLogger(__name__)

LOOKED_EVERY = 10.0
"""Seconds between two looks for gaps in a process. A worker without the model may get the run; the
next look then asks for another."""
_looked_at = -LOOKED_EVERY


def wants_filling() -> bool:
    """Whether there are gaps that this process can fill. Between two looks the answer is False."""
    global _looked_at
    if time.monotonic() - _looked_at < LOOKED_EVERY:
        return False
    _looked_at = time.monotonic()
    return any(True for _ in _fillable())


def _fillable() -> Iterator[SearchIndex]:
    """Indexes with gaps whose model this process has."""
    known = [each.name for each in collections()]
    written = SearchIndex.objects.written().filter(
        collection__in=known,
        store_kind=conf().vector_store,
        pk__in=IndexGap.objects.values("index"),
    )
    return (index for index in written.order_by("pk") if its_embedder(index) is not None)


def fill_gaps(size: int) -> int:
    """Fill up to ``size`` gaps of each index whose model this process has; returns how many were
    filled."""
    return sum(_fill(index, size) for index in list(_fillable()))


def _fill(index: SearchIndex, size: int) -> int:
    gaps = IndexGap.objects.filter(index=index).order_by("pk")
    keys = sorted(set(gaps.values_list("key", flat=True)[:size]))
    version = version_now()  # taken after the gaps were read, so that it is newer than theirs
    work = partial(_write, index, version)
    _done, failed = bisect(keys, work, blames=blames_a_record, all_may_fail=True)
    if failed:
        refused = {key: reason_of(error) for key, error in failed}
        OutboxEntry.objects.note_refused(index.collection, refused)
    IndexGap.objects.filled(index, keys, version=version)
    logger.info("event=index_gaps_filled index=%r records=%d", str(index), len(keys))
    return len(keys)


def _write(index: SearchIndex, version: int, keys: Sequence[str]) -> None:
    """Write to this index alone: in an index of another model this process would open a gap again.
    A record that is gone or no longer a document has an outbox entry that deals with it."""
    collection = collection_of(index.collection)
    # As ingested entries: these carry no event's time, so an ingested record is used where there is
    # one.
    entries = [OutboxEntry(collection=index.collection, key=key, ingested=True) for key in keys]
    documents = documents_of(index.collection, entry_records(collection, entries).found).read
    write([index], documents, vectors_for(documents.values(), [index]), version=version)
