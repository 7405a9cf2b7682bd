"""Compaction of the tables of search indexes, and dropping the tables of replaced indexes."""

import datetime as dt
import logging
from dataclasses import asdict
from functools import partial
from typing import Any

from django.db.models.functions import Now

from neural.kit.errors import NeuralError
from neural.ledger.record import enqueue
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.retrieval.choosing import vector_store
from neural.retrieval.conf import conf
from neural.retrieval.index.writing import measure
from neural.retrieval.models import IndexState, SearchIndex
from neural.retrieval.stores import words
from neural.retrieval.stores.base import TableMissing, TableSize
from neural.schedules.shipped import ShippedSchedule

logger = logging.getLogger(__name__)

COMPACT_TASK = "neural.tasks.tend_search_indexes"

GRACE = dt.timedelta(minutes=10)
"""A search or a run that began before the switch may still use the table of a replaced index."""

enqueue_low = partial(enqueue, args=(), queue=LOW_PRIORITY_QUEUE, priority=LOW_PRIORITY)
"""Enqueue a run that makes room for all other work."""

COMPACTION_SCHEDULE = ShippedSchedule(
    name="neural: search indexes",
    task=COMPACT_TASK,
    description=(
        "Compacts the search indexes and drops replaced ones (docs/explanation/search.md). Yours "
        "to change: it is made once and never overwritten."
    ),
    hour="*",
    minute="17",
)


def compact_search_indexes(*, grown_only: bool = False) -> dict[str, Any]:
    """Compact the indexes that are written (with ``grown_only``, those with many unindexed rows),
    and drop the tables of replaced ones. Returns rows by collection and the number of dropped
    tables. If an index fails, the others are compacted first; then its error is raised."""
    rows: dict[str, int] = {}
    failed: list[NeuralError] = []
    here = SearchIndex.objects.written().filter(store_kind=conf().vector_store)
    for index in here.order_by("collection", "pk"):
        try:
            # Measured again, because two shards may both have asked for a compaction.
            if not grown_only or measure([index]) >= conf().index_compact_rows:
                size = compact(index)
                rows |= {index.collection: size.rows} if size else {}
        except NeuralError as error:
            failed.append(error)
    dropped = drop_replaced()
    if failed:
        raise failed[0]
    return {"rows": rows, "dropped": dropped}


def compact(index: SearchIndex) -> TableSize | None:
    """Compact one index and record its size; None if it has no table yet."""
    try:
        size = vector_store().compact(index.table)
    except TableMissing:
        return None
    index.note_size(**asdict(size), compacted_at=Now())
    logger.info(
        "event=index_compacted collection=%s table=%s rows=%d bytes=%d",
        index.collection,
        index.table,
        size.rows,
        size.bytes,
    )
    return size


def drop_replaced() -> int:
    """Drop the tables of indexes that were replaced or cancelled a while ago; returns how many."""
    ended = SearchIndex.objects.filter(
        state__in=(IndexState.RETIRED, IndexState.CANCELLED),
        store_kind=conf().vector_store,
        ended_at__lt=Now() - GRACE,
    )
    names = dict(ended.values_list("table", "pk"))
    there = sorted(names.keys() & set(vector_store().tables())) if names else []
    for number in names.values():
        words.drop(number)
    for table in there:
        vector_store().drop(table)
        logger.info("event=index_dropped table=%s", table)
    return len(there)


def schedule_compaction() -> None:
    """Enqueue a run that compacts the indexes that have grown, unless one waits already."""
    enqueue_low(
        task=COMPACT_TASK,
        kwargs={"grown_only": True},
        unique_key=COMPACT_TASK,
        requested_by="indexing",
    )
