"""Indexing: the records of outbox entries are read, embedded and written, many at a time.

An entry is deleted after its record has been written, so a run that is killed anywhere is repeated
with the same result. No locks are needed. The index refuses a state of a record if it has one that
was read later. Each change of a record leaves an entry, which stays until a run that read the
record after the change has written it. A row that was removed has no version to compare with, so
records that appeared or disappeared during the run are indexed again.

A record comes from its collection's source, or was ingested (``index_to_vector_db``), or both. In
that case the newer one is used.
"""

import datetime as dt
import logging
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import NamedTuple

from django.db import transaction

from neural.events.changes import EVERY_COLLECTION
from neural.retrieval.collections.documents import parts_of
from neural.retrieval.collections.registry import (
    CollectionUnknown,
    Record,
    SearchCollection,
    collection_of,
    collections,
)
from neural.retrieval.conf import conf
from neural.retrieval.index.active import its_embedder, written_indexes
from neural.retrieval.index.batches import bisect, reason_of
from neural.retrieval.index.writing import (
    IndexUnusable,
    documents_of,
    version_now,
    write,
)
from neural.retrieval.models import IngestedRecord, OutboxEntry, SearchIndex, SearchRow

logger = logging.getLogger(__name__)


class Indexed(NamedTuple):
    """The result of indexing entries: the keys that were indexed, and the reason for each refused
    one."""

    keys: Sequence[str] = ()
    refused: Mapping[str, str] = {}


def index_entries(name: str, entries: Sequence[OutboxEntry]) -> Indexed:
    """Index the records of these entries of one collection, then delete the entries.

    If a record cannot be a document, its entries keep the reason and stay; the others are indexed.
    This does not run in a transaction, because models and stores are slow. Raises
    :class:`IndexUnusable` if the settings name another vector store than that of the index.
    """
    if name == EVERY_COLLECTION:
        return _of_whole_stores(entries)
    try:
        collection = collection_of(name)
    except CollectionUnknown as unknown:
        refused = {entry.key: str(unknown) for entry in entries}
        return _settle(entries, (), refused)
    return _index(collection, entries)


_SPREAD_AT_ONCE = 2_000


def _of_whole_stores(entries: Sequence[OutboxEntry]) -> Indexed:
    """Replace entries of whole stores by entries of all records that these stores have."""
    with transaction.atomic():
        for entry in entries:
            store, _ = parts_of(entry.key)
            for collection in collections():
                find = getattr(collection.source, "of_store", None)
                ingested = IngestedRecord.objects.filter(collection=collection.name)
                _append_all(collection.name, find(store) if find else ())
                own = ingested.filter(store_code=store).values_list("key", flat=True)
                _append_all(collection.name, own, ingested=True)
        return _settle(entries, (), {})


def _append_all(collection: str, keys: Iterable[str], *, ingested: bool = False) -> None:
    left = iter(keys)
    while some := list(islice(left, _SPREAD_AT_ONCE)):
        OutboxEntry.objects.append(collection, some, ingested=ingested, history=True)


def _index(collection: SearchCollection, entries: Sequence[OutboxEntry]) -> Indexed:
    indexes = written_indexes(collection)
    if not indexes:
        remedy = f"run manage.py rebuild_index {collection.name}"
        raise IndexUnusable(f"the settings name another vector store: {remedy}")
    version = version_now()
    records = entry_records(collection, entries)
    documents = write(indexes, records.found, version=version, gone=records.gone)
    forget_outdated(records)
    moved = records.found.keys() ^ present(collection, {entry.key for entry in entries})
    moved |= _readable_again(
        collection, [entry for entry in entries if entry.key in documents.unwanted]
    )
    _index_again(collection.name, [entry for entry in entries if entry.key in moved])
    settled = [entry for entry in entries if entry.key not in moved]
    refused = {key: why for key, why in documents.refused.items() if key not in moved}
    return _settle(settled, [*documents.read, *records.gone], refused)


def _index_again(collection: str, entries: Sequence[OutboxEntry]) -> None:
    """Add entries for these records: another run may have deleted theirs, having written what this
    run has then removed, or the reverse. Marked as ingested: no record has changed, so the entries
    must outdate none."""
    for history in (False, True):
        keys = {entry.key for entry in entries if entry.history == history}
        OutboxEntry.objects.append(collection, keys, ingested=True, history=history)


def _readable_again(collection: SearchCollection, entries: Sequence[OutboxEntry]) -> set[str]:
    """Keys of records that are documents again. Another run may have written them before this run
    removed them."""
    if not entries:
        return set()
    return set(documents_of(collection.name, entry_records(collection, entries).found).read)


def _settle(
    entries: Sequence[OutboxEntry], keys: Collection[str], refused: Mapping[str, str]
) -> Indexed:
    done = [entry.pk for entry in entries if entry.key not in refused]
    OutboxEntry.objects.filter(pk__in=[*done, *_refused_before(entries)]).delete()
    for key, why in refused.items():
        OutboxEntry.objects.refuse([entry.pk for entry in entries if entry.key == key], why)
    for key, why in list(refused.items())[:1]:
        number = len(refused)
        logger.warning("event=record_refused records=%d key=%r reason=%r", number, key, why)
    return Indexed(keys=list(keys), refused=refused)


def _refused_before(entries: Sequence[OutboxEntry]) -> list[int]:
    """Older refused entries of these records, which are obsolete now."""
    if not entries:
        return []
    newest = {entry.key: entry.pk for entry in sorted(entries, key=lambda each: each.pk)}
    refused = OutboxEntry.objects.refused().filter(collection=entries[0].collection, key__in=newest)
    return [pk for pk, key in refused.values_list("pk", "key") if pk < newest[key]]


# The current records of entries


@dataclass(frozen=True, kw_only=True)
class Records:
    """The records found for some keys."""

    found: Mapping[str, Record]
    gone: Collection[str] = ()
    """Keys without a record."""
    outdated: Sequence[IngestedRecord] = ()
    """Ingested records for which an event has said something newer."""


def entry_records(collection: SearchCollection, entries: Iterable[OutboxEntry]) -> Records:
    """The current records of these entries, read from the source and from the ingested records."""
    changed_at = _changes(entries)
    stored = collection.source.load(changed_at) if collection.source else {}
    found, outdated = dict(stored), list[IngestedRecord]()
    for ingested in IngestedRecord.objects.filter(collection=collection.name, key__in=changed_at):
        if ingested.key in stored and ingested.ingested_at <= changed_at[ingested.key]:
            outdated.append(ingested)
        else:
            found[ingested.key] = ingested.data
    gone = changed_at.keys() - found.keys()
    return Records(found=found, gone=gone, outdated=outdated)


def present(collection: SearchCollection, keys: Collection[str]) -> set[str]:
    """The keys among these that have a record now."""
    source = collection.source
    look = getattr(source, "there", source and source.load)
    there = set(look(keys)) if look else set[str]()
    if missing := set(keys) - there:
        ingested = IngestedRecord.objects.filter(collection=collection.name, key__in=missing)
        there |= set(ingested.values_list("key", flat=True))
    return there


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def _changes(entries: Iterable[OutboxEntry]) -> dict[str, dt.datetime]:
    """For each key, when an event last changed the record, as far as these entries know."""
    changed_at: dict[str, dt.datetime] = {}
    for entry in entries:
        at = _NEVER if entry.ingested else entry.created_at
        changed_at[entry.key] = max(at, changed_at.get(entry.key, at))
    return changed_at


def forget_outdated(records: Records) -> None:
    """Delete ingested records that are outdated. Call it when the newer state is in the index."""
    for each in records.outdated:
        # Delete only the version that was read: the record may have been ingested again since.
        # SQLite keeps milliseconds as text, and Django writes microseconds, or no fraction at a
        # full second. So neither "=" nor "<=" compares reliably.
        later = each.ingested_at + dt.timedelta(microseconds=1)
        IngestedRecord.objects.filter(pk=each.pk, ingested_at__lt=later).delete()


# Gaps: a process that lacks the model of an index writes rows without vectors. A process that
# has the model writes them again.


LOOKED_EVERY = 10.0
"""Seconds between two looks for gaps in a process. A worker without the model may get the run; the
next look then asks for another."""
_looked_at = -LOOKED_EVERY


def is_time_to_look() -> bool:
    """Whether this process should look for gaps and outdated indexes now."""
    global _looked_at
    if time.monotonic() - _looked_at < LOOKED_EVERY:
        return False
    _looked_at = time.monotonic()
    return True


def has_gaps() -> bool:
    """Whether there are gaps that this process can fill."""
    return any(True for _ in _fillable())


def _fillable() -> Iterator[SearchIndex]:
    """Indexes with gaps whose model this process has."""
    known = [each.name for each in collections()]
    written = SearchIndex.objects.written().filter(
        collection__in=known,
        store_kind=conf().vector_store,
        pk__in=SearchRow.objects.filter(lacks_vectors=True).values("index"),
    )
    return (index for index in written.order_by("pk") if its_embedder(index) is not None)


def fill_gaps(size: int) -> int:
    """Fill up to ``size`` gaps of each index whose model this process has; returns how many were
    filled."""
    return sum(_fill(index, size) for index in list(_fillable()))


def _fill(index: SearchIndex, size: int) -> int:
    lacking = SearchRow.objects.filter(index=index, lacks_vectors=True)
    keys = list(lacking.values_list("key", flat=True)[:size])
    version = version_now()  # taken after the rows were read, so that it is newer than theirs
    work = partial(_write, index, version)
    _done, failed = bisect(keys, work, all_may_fail=True)
    if failed:
        refused = {key: reason_of(error) for key, error in failed}
        OutboxEntry.objects.note_refused(index.collection, refused)
    # What could not be written is not tried again and again.
    lacking.filter(key__in=keys, version__lt=version).update(lacks_vectors=None)
    logger.info("event=index_gaps_filled index=%r records=%d", str(index), len(keys))
    return len(keys)


def _write(index: SearchIndex, version: int, keys: Sequence[str]) -> None:
    """Write to this index alone: in an index of another model this process would open a gap
    again."""
    # As ingested entries: these carry no event's time, so an ingested record is used where there is
    # one. A record that is gone has an outbox entry that deals with it.
    entries = [OutboxEntry(collection=index.collection, key=key, ingested=True) for key in keys]
    write([index], entry_records(collection_of(index.collection), entries).found, version=version)
