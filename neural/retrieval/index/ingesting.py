"""Ingesting: records from anywhere are made searchable without being rows of the database's models.

An ingested record and its outbox entry are first saved in one transaction. Then the record is
indexed at once. If that fails, the entry stays and an indexing run takes it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from neural.kit.errors import NeuralError
from neural.kit.stored_json import plain
from neural.ledger.work import checkpoint
from neural.models.store import STORE_CODE_PATTERN
from neural.retrieval.collections.documents import RecordRefused, parts_of
from neural.retrieval.collections.registry import collection_of, document_of
from neural.retrieval.conf import conf
from neural.retrieval.index.batches import bisect, reason_of, slice_seconds
from neural.retrieval.index.indexing import Indexed, index_entries
from neural.retrieval.models import IngestedRecord, OutboxEntry
from neural.runs.slices import in_slices

ORDERS = "orders"
MOST_IDS = 100
MOST_FAILURES = 500
_STORE_CODE = re.compile(STORE_CODE_PATTERN)


def index_to_vector_db(*, collection: str, data: Any) -> dict[str, Any]:
    """Make one record, or each of a list, searchable; returns how many and their ids.

    Raises :class:`neural.CollectionUnknown`, or :class:`neural.RecordRefused` that names the first
    record that cannot be searched. Then no record of the call is kept.
    """
    collection_of(collection)
    records = list(data) if isinstance(data, list | tuple) else [data]
    ingested = [_checked(collection, each) for each in records]
    size = conf().index_batch
    for start in range(0, len(ingested), size):
        for key, why in _take(collection, ingested[start : start + size]).refused.items():
            raise RecordRefused(f"{collection}: {key}: {why}")
    ids = list(dict.fromkeys(parts_of(each.key)[1] for each in ingested))
    return {"collection": collection, "indexed": len(ids), "ids": ids[:MOST_IDS]}


def batch_index_orders(*, orders: Any) -> dict[str, Any]:
    """Make orders searchable, each independently; returns how many, and why the others failed.

    A long list is processed in slices: the run is snoozed and goes on where it stopped.
    """
    if not isinstance(orders, list | tuple):
        raise RecordRefused(f"orders must be a list of orders, not {type(orders).__name__}")
    collection_of(ORDERS)
    progress = {"at": 0, "indexed": 0, "failed_count": 0, "failed": []} | (checkpoint() or {})
    in_slices(_batches(orders, progress), lambda: progress, seconds=slice_seconds(), pause=0)
    return {name: progress[name] for name in ("indexed", "failed_count", "failed")}


def _batches(orders: Sequence[Any], progress: dict[str, Any]) -> Iterator[None]:
    """One step a batch, from where the progress is."""
    while progress["at"] < len(orders):
        progress |= _next_orders(orders, progress)
        yield


def _next_orders(orders: Sequence[Any], progress: Mapping[str, Any]) -> dict[str, Any]:
    """Process one batch from where the progress is; returns the progress after it."""
    start, end = progress["at"], progress["at"] + conf().index_batch
    good: dict[int, IngestedRecord] = {}
    failed: dict[int, tuple[Any, str]] = {}
    for position, order in enumerate(orders[start:end], start=start):
        try:
            good[position] = _checked(ORDERS, order)
        except NeuralError as error:
            failed[position] = _id_of(order), str(error)
    done = _take(ORDERS, list(good.values())) if good else Indexed()
    places = {each.key: position for position, each in good.items()}
    failed |= {places[key]: (parts_of(key)[1], why) for key, why in done.refused.items()}
    reasons = [
        {"position": position, "id": id_, "reason": why[:300]}
        for position, (id_, why) in failed.items()
    ]
    return {
        "at": end,
        "indexed": progress["indexed"] + len(done.keys),
        "failed_count": progress["failed_count"] + len(failed),
        "failed": [*progress["failed"], *reasons][:MOST_FAILURES],
    }


def _id_of(record: Any) -> Any:
    given = record.get("id", record.get("order_id")) if isinstance(record, Mapping) else None
    return given if given is None or isinstance(given, int) else str(given)[:100]


def _checked(collection: str, record: Any) -> IngestedRecord:
    """The row of a record, checked that it can be stored and be a document. Raises
    :class:`RecordRefused`."""
    if not isinstance(record, Mapping):
        raise RecordRefused(
            f"{collection}: a record is an object with an id, not {type(record).__name__}"
        )
    try:
        document = document_of(collection, record)
    except Exception as error:
        if isinstance(error, NeuralError):
            raise
        raise RecordRefused(f"{collection}: {reason_of(error)}") from error
    if document.store and not _STORE_CODE.match(document.store):
        raise RecordRefused(
            f"{collection}: record {document.id!r}: {document.store[:80]!r} is not a store code"
        )
    data = plain(dict(record), what=f"{collection}: record {document.id!r}")
    return IngestedRecord(
        collection=collection,
        key=document.key,
        store_code=document.store,
        data=data,
        ingested_at=Now(),
    )


def _take(collection: str, records: Sequence[IngestedRecord]) -> Indexed:
    """Save these records and index them. If several have one key, the last one counts."""
    last = {each.key: each for each in records}
    with transaction.atomic():
        IngestedRecord.objects.bulk_create(
            [last[key] for key in sorted(last)],
            update_conflicts=True,
            unique_fields=("collection", "key"),
            update_fields=("store_code", "data", "ingested_at"),
        )
        entries = OutboxEntry.objects.append(collection, last, ingested=True)
    return _index(collection, entries)


def _index(collection: str, entries: Sequence[OutboxEntry]) -> Indexed:
    """A record on which code fails is reported like a refused one, because a second attempt would
    fail too. Its entry stays, and an indexing run takes it once more."""
    done, failed = bisect(entries, partial(index_entries, collection), all_may_fail=True)
    refused = {entry.key: reason_of(error) for entry, error in failed}
    for each in done:
        refused.update(each.refused)
    return Indexed(keys=[key for each in done for key in each.keys], refused=refused)
