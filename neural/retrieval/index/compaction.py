"""Compaction of the tables of search indexes, and dropping the tables of replaced indexes."""

import datetime as dt
import logging
from contextlib import suppress
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
from neural.retrieval.stores.base import TableMissing
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


def compact_search_indexes() -> dict[str, Any]:
    """Compact the indexes that are written, record their sizes, and drop the tables of replaced
    ones. Returns rows by collection and the number of dropped tables. If an index fails, the others
    are compacted first; then its error is raised."""
    rows: dict[str, int] = {}
    failed: list[NeuralError] = []
    here = SearchIndex.objects.written().filter(store_kind=conf().vector_store)
    for index in here.order_by("collection", "pk"):
        try:
            compact(index)
            rows[index.collection] = index.rows
        except NeuralError as error:
            failed.append(error)
    dropped = drop_replaced()
    if failed:
        raise failed[0]
    return {"rows": rows, "dropped": dropped}


def compact(index: SearchIndex) -> None:
    """Compact one index and record its size, unless it has no table yet."""
    with suppress(TableMissing):
        if index.vectors:
            vector_store().compact(index.table)
        measure([index])
        index.note_size(compacted_at=Now())
        index.refresh_from_db(fields=["rows"])


def drop_replaced() -> int:
    """Drop the tables of indexes that were replaced or cancelled a while ago, with their words;
    returns how many. Tables in a store that is not used any more stay there."""
    ended = SearchIndex.objects.filter(
        state__in=(IndexState.RETIRED, IndexState.CANCELLED), ended_at__lt=Now() - GRACE
    )
    names = dict(ended.values_list("table", "pk"))
    there = sorted(names.keys() & set(vector_store().tables())) if names else []
    for number in names.values():
        words.drop(number)
    for table in there:
        vector_store().drop(table)
        logger.info("event=index_dropped table=%s", table)
    return len(there)
