"""Rebuilding an index from the database, in slices, while the old one is searched.

What changes meanwhile is written to both. When everything has been read, the new index is
compacted and takes the old one's place; the old table is dropped a while later.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from neural.errors import PermanentError
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze, current_run
from neural.ledger.yielding import others_wait
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.retrieval.choosing import vector_store
from neural.retrieval.collections.registry import Record, collection_of
from neural.retrieval.conf import conf
from neural.retrieval.index.active import is_as_the_settings_say, new_index, table_shape
from neural.retrieval.index.bisecting import bisect
from neural.retrieval.index.compaction import compact, drop_replaced
from neural.retrieval.index.indexing import blames_a_record, reason_of
from neural.retrieval.index.restored import count_writes
from neural.retrieval.index.rows import documents_of, vectors_for, version_now
from neural.retrieval.index.writing import write
from neural.retrieval.models import IndexState, IngestedRecord, OutboxEntry, SearchIndex

logger = logging.getLogger(__name__)

REBUILD_TASK = "neural.tasks.rebuild_search_index"

_STORED, _INGESTED = "stored:", "supplied:"
"""The two walks of a rebuild: through the collection's source, then through what was ingested."""


class SettingsChanged(PermanentError):
    """The settings changed while an index was being built."""


@dataclass(frozen=True)
class OpenedRebuild:
    """The index that is being built."""

    index: SearchIndex
    is_new: bool


class Page(NamedTuple):
    """Records that are next, and where the walk is after them."""

    version: int
    records: Mapping[str, Record]
    read: int
    cursor: str
    again: Callable[[], Mapping[str, Record]]
    """Those of them that are still there."""


def open_rebuild(collection: str, *, requested_by: str = "") -> OpenedRebuild:
    """Begin to build a new index of a collection, or join the building that is under way.

    Raises :class:`~neural.retrieval.collections.registry.CollectionUnknown`.
    """
    source = collection_of(collection).source
    total = source.count() if source else 0
    total += IngestedRecord.objects.filter(collection=collection).count()
    try:
        with transaction.atomic():
            index = new_index(collection, requested_by=requested_by, records=total)
            is_new = True
    except IntegrityError:
        building = SearchIndex.objects.filter(collection=collection, state=IndexState.BUILDING)
        found = building.first()
        if found is None:
            raise
        index, is_new = found, False
    _ask(index)
    return OpenedRebuild(index, is_new)


def _ask(index: SearchIndex) -> None:
    """A run for it, unless one waits. One more than needed ends by itself."""
    with transaction.atomic():
        run = enqueue(
            task=REBUILD_TASK,
            args=[],
            kwargs={"index_id": index.pk},
            queue=LOW_PRIORITY_QUEUE,
            priority=LOW_PRIORITY,
            unique_key=f"{REBUILD_TASK} {index.pk}",
            requested_by=index.requested_by,
        )
        index.hand_to(run.task_id)


def rebuild(*, index_id: int) -> dict[str, Any]:
    """One slice of building an index; puts itself off until all is read, then switches to it.

    Two at once do no harm: whoever finds that the other is further ends.
    """
    index = SearchIndex.objects.filter(pk=index_id).first()
    if index is None or index.state != IndexState.BUILDING:
        return _told(index, index_id)
    if not is_as_the_settings_say(index):
        index.cancel()
        raise SettingsChanged(
            "it was begun with other settings than this worker's: when all processes have been "
            f"started again with the same, run manage.py rebuild_index {index.collection}"
        )
    vector_store().create(index.table, table_shape(index))
    until = time.monotonic() + conf().index_run_seconds
    for page in pages(index):
        _build(index, page)
        if not index.advance(cursor=page.cursor, done=page.read):
            return _told(index, index_id)
        if current_run() and (time.monotonic() > until or others_wait()):
            raise Snooze(0, checkpoint=_told(index, index_id))
    _switch(index)
    return _told(index, index_id)


def _told(index: SearchIndex | None, index_id: int) -> dict[str, Any]:
    if index is None:
        return {"index": index_id, "state": "gone"}
    index.refresh_from_db(fields=["state", "records_done", "records_total"])
    return {
        "index": index.pk,
        "collection": index.collection,
        "state": str(index.state),
        "done": index.records_done,
        "total": index.records_total,
    }


def pages(index: SearchIndex) -> Iterator[Page]:
    """What is left to read, page by page: rows of the database, then what was ingested."""
    cursor, size = index.cursor, conf().index_batch
    source = collection_of(index.collection).source
    if source and not cursor.startswith(_INGESTED):
        for keys in source.pages(after=cursor.removeprefix(_STORED), size=size):
            version, load = version_now(), partial(source.load, keys)
            yield Page(version, load(), len(keys), _STORED + keys[-1], load)
    after = int(cursor.removeprefix(_INGESTED)) if cursor.startswith(_INGESTED) else 0
    version = version_now()
    while found := _ingested(index.collection, after, size):
        after = found[-1].pk
        records, again = {each.key: each.data for each in found}, partial(_still_ingested, found)
        yield Page(version, records, len(found), f"{_INGESTED}{after}", again)
        version = version_now()


def _ingested(collection: str, after: int, size: int) -> Sequence[IngestedRecord]:
    rows = IngestedRecord.objects.filter(collection=collection, pk__gt=after)
    return list(rows.order_by("pk")[:size])


def _still_ingested(found: Sequence[IngestedRecord]) -> Mapping[str, Record]:
    still = IngestedRecord.objects.filter(pk__in=[each.pk for each in found])
    return {each.key: each.data for each in still}


def _build(index: SearchIndex, page: Page) -> None:
    def build(items: Sequence[tuple[str, Record]]) -> Mapping[str, str]:
        documents = documents_of(index.collection, dict(items))
        vectors = vectors_for(documents.read.values(), [index])
        write([index], documents.read, vectors, version=page.version)
        return documents.refused

    done, failed = bisect(list(page.records.items()), build, blames=blames_a_record)
    refused = {key: reason_of(error) for (key, _record), error in failed}
    for some in done:
        refused.update(some)
    if refused:
        OutboxEntry.objects.note_refused(index.collection, refused)
    _reindex_gone(index, page)


def _reindex_gone(index: SearchIndex, page: Page) -> None:
    """A record that went while its page was written was taken out of the index before it was in: it
    is looked at again. So is what was ingested and overtaken by an event meanwhile. As ingested:
    they are not changed, and overtake nothing."""
    gone = page.records.keys() - page.again().keys()
    OutboxEntry.objects.append(index.collection, gone, ingested=True, history=True)


def _switch(index: SearchIndex) -> None:
    """All is read: search in it from now on."""
    compact(index)
    count_writes([index])
    if index.activate():
        logger.info(
            "event=index_activated collection=%s table=%s records=%d",
            index.collection,
            index.table,
            index.records_done,
        )
    drop_replaced()
