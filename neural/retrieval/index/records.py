"""The records that marks stand for, as they are now.

A record is where its collection's source has it, or it was handed in (``index_to_vector_db``),
or both: then whichever was said last counts.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from neural.retrieval.collections.registry import Record, SearchCollection
from neural.retrieval.models import IndexMark, SuppliedRecord


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
