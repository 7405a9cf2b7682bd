"""Indexing: what was marked is read, embedded and written, many records at a time.

A mark is deleted after its record has been written, so that a run which is killed anywhere is
done again, to the same end. No locks are needed. A state that was read at some moment is refused
by the index once it has one that was read later; and whatever changes a record leaves a mark that
stands until a run which has read the record after the change has written it. What was taken out of
the index has no state to compare with: marks of records that came or went meanwhile stand.

A record is where its collection's source has it, or it was handed in (``index_to_vector_db``),
or both: then whichever was said last counts.
"""

import datetime as dt
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, InterfaceError

from neural.errors import NeuralError
from neural.retrieval.collections.registry import (
    CollectionUnknown,
    Record,
    SearchCollection,
    collection_of,
)
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.rows import documents_of, vectors_for, version_now
from neural.retrieval.index.writing import IndexUnusable, write
from neural.retrieval.models import IndexMark, SuppliedRecord
from neural.retrieval.models.search_index import SearchIndex

logger = logging.getLogger(__name__)


class Indexed(NamedTuple):
    """What became of marks."""

    keys: Sequence[str] = ()
    refused: Mapping[str, str] = {}


def index_marks(name: str, marks: Sequence[IndexMark]) -> Indexed:
    """Index the records of these marks of one collection, then delete the marks.

    A record that cannot be a document is told in its marks, which then stand; the others are
    indexed. Not in a transaction: models and stores are slow.
    """
    try:
        collection = collection_of(name)
    except CollectionUnknown as unknown:
        refused = {mark.key: str(unknown) for mark in marks}
        return _settle(marks, (), refused)
    indexes = written_indexes(collection)
    if not indexes:
        raise IndexUnusable(f"the settings name another vector store: {_rebuild(name)}")
    version = version_now()
    return _index(collection, indexes, marks, version)


def _rebuild(collection: str) -> str:
    return f"run manage.py rebuild_index {collection}"


def _index(
    collection: SearchCollection,
    indexes: Sequence[SearchIndex],
    marks: Sequence[IndexMark],
    version: int,
) -> Indexed:
    records = marked_records(collection, marks)
    documents = documents_of(collection.name, records.found)
    vectors = vectors_for(documents.read.values(), indexes)
    gone = [*records.gone, *documents.unwanted]
    write(indexes, documents.read, vectors, gone=gone, version=version)
    forget_outdated(records)
    moved = records.found.keys() ^ present(collection, {mark.key for mark in marks})
    moved |= _readable_again(collection, [mark for mark in marks if mark.key in documents.unwanted])
    settled = [mark for mark in marks if mark.key not in moved]
    refused = {key: why for key, why in documents.refused.items() if key not in moved}
    return _settle(settled, [*documents.read, *records.gone], refused)


def _readable_again(collection: SearchCollection, marks: Sequence[IndexMark]) -> set[str]:
    """What another run may have written before this one took it out."""
    if not marks:
        return set()
    return set(documents_of(collection.name, marked_records(collection, marks).found).read)


def _settle(
    marks: Sequence[IndexMark], keys: Collection[str], refused: Mapping[str, str]
) -> Indexed:
    done = [mark.pk for mark in marks if mark.key not in refused]
    IndexMark.objects.filter(pk__in=[*done, *_told_before(marks)]).delete()
    for key, why in refused.items():
        IndexMark.objects.refuse([mark.pk for mark in marks if mark.key == key], why)
    for key, why in list(refused.items())[:1]:
        number = len(refused)
        logger.warning("event=record_refused records=%d key=%r reason=%r", number, key, why)
    return Indexed(keys=list(keys), refused=refused)


def _told_before(marks: Sequence[IndexMark]) -> list[int]:
    """What an earlier state of these records was refused for: it is of no interest any more."""
    if not marks:
        return []
    newest = {mark.key: mark.pk for mark in sorted(marks, key=lambda each: each.pk)}
    refused = IndexMark.objects.refused().filter(collection=marks[0].collection, key__in=newest)
    return [pk for pk, key in refused.values_list("pk", "key") if pk < newest[key]]


def blames_a_record(error: Exception) -> bool:
    """Whether a batch may have failed for the sake of one record, in whatever code met it."""
    outages = (DatabaseError, InterfaceError, OSError, MemoryError, SoftTimeLimitExceeded)
    return not isinstance(error, (NeuralError, *outages))


def told(error: Exception) -> str:
    """What an error says; of one that nobody raised on purpose, its class too."""
    return str(error) if isinstance(error, NeuralError) else f"{type(error).__name__}: {error}"


# The records that marks stand for, as they are now


@dataclass(frozen=True, kw_only=True)
class Records:
    """What was found under some keys."""

    found: Mapping[str, Record]
    gone: Collection[str] = ()
    """Keys with no record."""
    outdated: Sequence[SuppliedRecord] = ()
    """Records that were handed in before an event said something newer."""


def marked_records(collection: SearchCollection, marks: Iterable[IndexMark]) -> Records:
    """The records of these marks."""
    changed_at = _changes(marks)
    stored = collection.source.load(changed_at) if collection.source else {}
    found, outdated = dict(stored), list[SuppliedRecord]()
    for supplied in SuppliedRecord.objects.filter(collection=collection.name, key__in=changed_at):
        if supplied.key in stored and supplied.supplied_at <= changed_at[supplied.key]:
            outdated.append(supplied)
        else:
            found[supplied.key] = supplied.data
    gone = changed_at.keys() - found.keys()
    return Records(found=found, gone=gone, outdated=outdated)


def present(collection: SearchCollection, keys: Collection[str]) -> set[str]:
    """Which of these keys have a record now."""
    source = collection.source
    look = getattr(source, "there", source and source.load)
    supplied = SuppliedRecord.objects.filter(collection=collection.name, key__in=keys)
    return {*(look(keys) if look else ()), *supplied.values_list("key", flat=True)}


_NEVER = dt.datetime.min.replace(tzinfo=dt.UTC)


def _changes(marks: Iterable[IndexMark]) -> dict[str, dt.datetime]:
    """By key, when an event last changed the record, as far as these marks know."""
    changed_at: dict[str, dt.datetime] = {}
    for mark in marks:
        at = _NEVER if mark.supplied else mark.marked_at
        changed_at[mark.key] = max(at, changed_at.get(mark.key, at))
    return changed_at


def forget_outdated(records: Records) -> None:
    """Delete what was handed in and is overtaken, once the newer state is in the index."""
    for each in records.outdated:
        # As it was then: it may have been handed in anew. SQLite keeps milliseconds as text, and
        # what Django writes beside it has three digits more, or none at a full second: so neither
        # "=" nor "<=".
        later = each.supplied_at + dt.timedelta(microseconds=1)
        SuppliedRecord.objects.filter(pk=each.pk, supplied_at__lt=later).delete()
