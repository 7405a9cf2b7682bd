"""Laps: one try of an indexing run, batch after batch, until nothing waits or its time is up."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from neural.errors import NeuralError
from neural.ledger.making_room import LEAST_URGENT, others_wait
from neural.ledger.work import Postponed, current_run, so_far
from neural.retrieval.collections.registry import collection_of
from neural.retrieval.conf import conf
from neural.retrieval.index.active import written_indexes
from neural.retrieval.index.asking import others_under_way
from neural.retrieval.index.filling import fill_gaps
from neural.retrieval.index.indexing import blames_a_record, index_marks, told
from neural.retrieval.index.restored import count_writes
from neural.retrieval.index.sifting import sift
from neural.retrieval.index.tending import ask_for_tending
from neural.retrieval.index.writing import measure
from neural.retrieval.models import IndexLane, IndexMark

logger = logging.getLogger(__name__)

TROUBLE_SECONDS = 5.0
"""How long a lane waits that met trouble in one collection: other collections wait with it."""


def index_marked(*, lane: int, history: bool) -> dict[str, Any]:
    """Index what waits in a lane, until nothing does or its time is up; returns counts.

    It ends after a batch where other work waits: the relay decides when it is asked for again.
    A collection that a person must see to (its model has gone, its table is lost) is passed
    over: its marks stand, and the lane says why. So is one that is away, but then the run fails
    in the end, to be tried again by the ledger for as long as it takes.
    """
    lap = _Lap(lane=lane, history=history)
    lap.run()
    lap.tell()
    lap.fail_for_what_is_away()
    if lap.troubles:
        raise Postponed(TROUBLE_SECONDS, so_far=lap.counts())
    if not lap.is_done and not lap.gives_way:
        raise Postponed(0, so_far=lap.counts())
    return lap.counts()


class _Lap:
    """One try of a lane's run."""

    def __init__(self, *, lane: int, history: bool) -> None:
        self.lane, self.history = lane, history
        before = so_far() or {}
        self.indexed = before.get("indexed", 0)
        self.refused = before.get("refused", 0)
        self.troubles: dict[str, Exception] = {}
        self.touched: set[str] = set()
        self.is_done = self.gives_way = False

    def run(self) -> None:
        """Batch after batch, one at least, for as long as nobody else wants the process."""
        until = time.monotonic() + conf().index_run_seconds
        while marks := self._next():
            for collection, theirs in _by_collection(marks).items():
                self._index(collection, theirs)
            self.gives_way = self._is_in_the_way()
            if self.gives_way or time.monotonic() > until:
                break
        # Behind all else: these records are found already, by their words.
        self.is_done = not marks and not (self.fills_gaps and fill_gaps(_batch_size()))
        _look_after(self.touched)

    def _is_in_the_way(self) -> bool:
        """The first lane lets pass what is no less urgent; the others are there to use what
        nobody else wants."""
        return others_wait(least_priority=LEAST_URGENT if self.lane else None)

    @property
    def fills_gaps(self) -> bool:
        """One lane does, that of history."""
        return self.history and self.lane == 0

    def _next(self) -> Sequence[IndexMark]:
        """Of the lane's share; of all there is, where the first lane is at work alone."""
        is_alone = self.lane == 0 and not others_under_way(self.lane, history=self.history)
        lanes = 1 if is_alone else conf().index_lanes
        waiting = IndexMark.objects.in_lane(self.lane, of=lanes, history=self.history)
        if self.troubles:
            waiting = waiting.exclude(collection__in=self.troubles)
        return list(waiting[: _batch_size()])

    def _index(self, collection: str, marks: Sequence[IndexMark]) -> None:
        try:
            done, failed = sift(marks, partial(index_marks, collection), blames=blames_a_record)
        except Exception as error:
            if not (isinstance(error, NeuralError) or blames_a_record(error)):
                raise  # the database is away, or the time is up
            self.troubles[collection] = error
            return
        for mark, why in failed:
            _refuse(mark, why)
        if any(each.keys for each in done):
            self.touched.add(collection)
        self.indexed += sum(len(each.keys) for each in done)
        self.refused += sum(len(each.refused) for each in done) + len(failed)

    def tell(self) -> None:
        """Say on the lane why it waits, and in the log when that is news."""
        trouble = "; ".join(f"{name}: {why}" for name, why in sorted(self._told().items()))
        for lane in IndexLane.objects.filter(history=self.history, number=self.lane):
            if lane.tell_trouble(trouble) and trouble:
                logger.warning("event=indexing_waits lane=%r reason=%r", str(lane), trouble)
                self._trace()

    def _told(self) -> dict[str, str]:
        """What a person must see to."""
        return {name: told(error) for name, error in self.troubles.items() if not _is_away(error)}

    def fail_for_what_is_away(self) -> None:
        """Once the other collections have had their turn."""
        for error in filter(_is_away, self.troubles.values()):
            raise error

    def _trace(self) -> None:
        """Of what nobody raised on purpose: where it came from."""
        for name, error in self.troubles.items():
            if not isinstance(error, NeuralError):
                logger.error("event=indexing_failed collection=%s", name, exc_info=error)

    def counts(self) -> dict[str, Any]:
        waits = {"waits": self._told()} if self.troubles else {}
        return {"indexed": self.indexed, "refused": self.refused, **waits}


def _is_away(error: Exception) -> bool:
    return isinstance(error, NeuralError) and not error.permanent


def _refuse(mark: IndexMark, why: Exception) -> None:
    IndexMark.objects.refuse([mark.pk], told(why))
    logger.error("event=record_refused records=1 key=%r", mark.key, exc_info=why)


def _batch_size() -> int:
    """Less after a try whose process died, as it may have had too little memory, and after one
    that failed, as its time may have been too short."""
    run = current_run()
    halvings = 2 * run.losses + min(run.failures, 2) if run else 0
    return max(1, conf().index_batch >> halvings)


def _by_collection(marks: Iterable[IndexMark]) -> dict[str, list[IndexMark]]:
    """Marks by what they are of."""
    found: defaultdict[str, list[IndexMark]] = defaultdict(list)
    for mark in marks:
        found[mark.collection].append(mark)
    return found


def _look_after(collections: Iterable[str]) -> None:
    """Note the sizes of what was written, and have a table tended that has grown a lot."""
    for name in collections:
        indexes = written_indexes(collection_of(name))
        count_writes(indexes)
        if measure(indexes) >= conf().index_tend_rows:
            ask_for_tending()
