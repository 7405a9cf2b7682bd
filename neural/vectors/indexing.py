"""Indexing: what was marked is read, embedded and written, many records at a time.

A mark is deleted after its record has been written, so that a run which is killed anywhere is
done again, to the same end. No locks are needed. A state that was read at some moment is refused
by the index once it has one that was read later; and whatever changes a record leaves a mark that
stands until a run which has read the record after the change has written it.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from neural.conf import conf
from neural.errors import NeuralError
from neural.models import IndexLane, IndexMark
from neural.models.search_index import SearchIndex
from neural.runs.work import Postponed, current_run, so_far
from neural.vectors.active import written_indexes
from neural.vectors.collections import CollectionUnknown, SearchCollection, collection_of
from neural.vectors.records import forget_outdated, marked_records
from neural.vectors.rows import documents_of, vectors_for, version_now
from neural.vectors.tending import ask_for_tending
from neural.vectors.writing import IndexUnusable, measure, write

logger = logging.getLogger(__name__)

TROUBLE_SECONDS = 5.0
"""How long a lane waits that met trouble in one collection: other collections wait with it."""


class Indexed(NamedTuple):
    """What became of marks."""

    keys: Sequence[str] = ()
    refused: Mapping[str, str] = {}


def index_marked(*, lane: int, history: bool) -> dict[str, Any]:
    """Index what waits in a lane, until nothing does or its time is up; returns counts.

    A collection that a person must see to (its model has gone, its table is lost) is passed
    over: its marks stand, and the lane says why.
    """
    lap = _Lap(lane=lane, history=history)
    lap.run()
    lap.tell()
    if lap.troubles:
        raise Postponed(TROUBLE_SECONDS, so_far=lap.counts())
    if not lap.is_done:
        raise Postponed(0, so_far=lap.counts())
    return lap.counts()


class _Lap:
    """One try of a lane's run."""

    def __init__(self, *, lane: int, history: bool) -> None:
        self.lane, self.history = lane, history
        before = so_far() or {}
        self.indexed = before.get("indexed", 0)
        self.refused = before.get("refused", 0)
        self.troubles: dict[str, str] = {}
        self.touched: set[str] = set()
        self.is_done = False

    def run(self) -> None:
        """Batch after batch, one at least."""
        until = time.monotonic() + conf().index_run_seconds
        while marks := self._next():
            for collection, theirs in by_collection(marks).items():
                self._index(collection, theirs)
            if time.monotonic() > until:
                break
        self.is_done = not marks
        _look_after(self.touched)

    def _next(self) -> Sequence[IndexMark]:
        """What fits in a batch is all the first lane's; of more, each lane has its share."""
        if self.lane == 0:
            all_of_it = self._waiting(1)
            if len(all_of_it) <= conf().index_batch:
                return all_of_it[: _batch_size()]
        return self._waiting(conf().index_lanes)[: _batch_size()]

    def _waiting(self, lanes: int) -> list[IndexMark]:
        waiting = IndexMark.objects.in_lane(self.lane, of=lanes, history=self.history)
        if self.troubles:
            waiting = waiting.exclude(collection__in=self.troubles)
        return list(waiting[: conf().index_batch + 1])

    def _index(self, collection: str, marks: Sequence[IndexMark]) -> None:
        try:
            done = index_marks(collection, marks)
        except NeuralError as error:
            if not error.permanent:
                raise  # tried again by the ledger, for as long as it takes
            self.troubles[collection] = str(error)
            return
        if done.keys:
            self.touched.add(collection)
        self.indexed += len(done.keys)
        self.refused += len(done.refused)

    def tell(self) -> None:
        """Say on the lane why it waits, and in the log when that is news."""
        trouble = "; ".join(f"{name}: {why}" for name, why in sorted(self.troubles.items()))
        for lane in IndexLane.objects.filter(history=self.history, number=self.lane):
            if lane.tell_trouble(trouble) and trouble:
                logger.warning("event=indexing_waits lane=%r reason=%r", str(lane), trouble)

    def counts(self) -> dict[str, Any]:
        waits = {"waits": self.troubles} if self.troubles else {}
        return {"indexed": self.indexed, "refused": self.refused, **waits}


def _batch_size() -> int:
    """Less after a try whose process died, as it may have had too little memory, and after one
    that failed, as its time may have been too short."""
    run = current_run()
    halvings = 2 * run.losses + min(run.failures, 2) if run else 0
    return max(1, conf().index_batch >> halvings)


def by_collection(marks: Iterable[IndexMark]) -> dict[str, list[IndexMark]]:
    """Marks by what they are of."""
    found: defaultdict[str, list[IndexMark]] = defaultdict(list)
    for mark in marks:
        found[mark.collection].append(mark)
    return found


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
    write(indexes, documents.read, vectors, gone=records.gone, version=version)
    forget_outdated(records)
    return _settle(marks, [*documents.read, *records.gone], documents.refused)


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
    newest = {mark.key: mark.pk for mark in sorted(marks, key=lambda each: each.pk)}
    refused = IndexMark.objects.refused().filter(collection=marks[0].collection, key__in=newest)
    return [pk for pk, key in refused.values_list("pk", "key") if pk < newest[key]]


def _look_after(collections: Iterable[str]) -> None:
    """Note the sizes of what was written, and have a table tended that has grown a lot."""
    for name in collections:
        indexes = written_indexes(collection_of(name))
        if measure(indexes) >= conf().index_tend_rows:
            ask_for_tending()
