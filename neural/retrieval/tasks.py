"""The Celery tasks of search. Each calls one function of the index."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.ledger.retry import RetryPolicy
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.retrieval.index import compaction, ingesting, rebuilding, scheduling

# Retried without limit: while a store or a model is unavailable, the database keeps what is to be
# indexed.
_patient_task = partial(
    shared_task,
    base=LedgerTask,
    retry_policy=RetryPolicy(max_retries=None, base_seconds=2, cap_seconds=60),
)
_LOW: Mapping[str, Any] = {"run_queue": LOW_PRIORITY_QUEUE, "run_priority": LOW_PRIORITY}


@_patient_task(name=scheduling.INDEX_TASK, title=_("Index what changed"))
def index_marked(shard: int = 0, history: bool = False) -> dict[str, Any]:
    """Index what waits in a shard of the index outbox; returns counts."""
    return scheduling.index_outbox(shard=shard, history=history)


@_patient_task(name="neural.tasks.index_to_vector_db", title=_("Make records searchable"))
def index_to_vector_db(collection_name: str, data: Any) -> dict[str, Any]:
    """Make a record, or each of a list of records, searchable; returns how many and their ids.

    A record is an object with an ``id`` and, where it belongs to a store, a ``store_id``.
    """
    return ingesting.index_to_vector_db(collection=collection_name, data=data)


@_patient_task(name="neural.tasks.batch_index_orders", title=_("Make orders searchable"), **_LOW)
def batch_index_orders(orders: Any) -> dict[str, Any]:
    """Make orders searchable, each independently; returns how many, and why the others failed."""
    return ingesting.batch_index_orders(orders=orders)


@_patient_task(name=rebuilding.REBUILD_TASK, title=_("Rebuild a search index"), **_LOW)
def rebuild_search_index(index_id: int) -> dict[str, Any]:
    """Build an index from the database, slice by slice, then activate it."""
    return rebuilding.rebuild(index_id=index_id)


@shared_task(
    base=LedgerTask, name=compaction.COMPACT_TASK, title=_("Compact the search indexes"), **_LOW
)
def tend_search_indexes(grown_only: bool = False) -> dict[str, Any]:
    """Compact the search indexes and drop replaced ones; returns rows by collection. A run of an
    older release may say ``grown_only``."""
    return compaction.compact_search_indexes()
