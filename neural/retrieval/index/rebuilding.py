"""Rebuilding an index from the database, in slices, while the old index is searched.

Changes are written to both indexes meanwhile. When all records have been read, the new index is
compacted and takes the old one's place. The old table is dropped a while later.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction

from neural.kit.errors import PermanentError
from neural.ledger.ports import Ended, without_success
from neural.retrieval.choosing import vector_store
from neural.retrieval.collections.registry import Record, collection_of
from neural.retrieval.index.active import is_as_the_settings_say, new_index
from neural.retrieval.index.batches import batch_size, bisect, reason_of, slice_seconds
from neural.retrieval.index.compaction import compact, drop_replaced, enqueue_low
from neural.retrieval.index.fields import shape_of
from neural.retrieval.index.writing import version_now, write
from neural.retrieval.models import IndexState, IngestedRecord, OutboxEntry, SearchIndex
from neural.runs.slices import in_slices

logger = logging.getLogger(__name__)

REBUILD_TASK = "neural.tasks.rebuild_search_index"

_STORED, _INGESTED = "stored:", "supplied:"
"""A rebuild reads twice: all records of the collection's source, then the ingested records. The
cursor begins with one of these."""


class SettingsChanged(PermanentError):
    """The settings changed while an index was being built."""


@dataclass(frozen=True)
class OpenedRebuild:
    """The index that is being built, and whether this call began it."""

    index: SearchIndex
    is_new: bool


Read = Callable[[], Mapping[str, Record]]


def open_rebuild(collection: str, *, requested_by: str = "") -> OpenedRebuild:
    """Begin to build a new index of a collection, or join a rebuild that is under way.

    Raises :class:`~neural.retrieval.collections.registry.CollectionUnknown`.
    """
    source = collection_of(collection).source
    total = source.count() if source else 0
    total += IngestedRecord.objects.filter(collection=collection).count()
    facts = {"requested_by": requested_by[:150], "records_total": total}
    with transaction.atomic():
        try:
            with transaction.atomic():
                opened = OpenedRebuild(new_index(collection, **facts), True)
        except IntegrityError:
            opened = OpenedRebuild(SearchIndex.objects.building().get(collection=collection), False)
        index = opened.index
        # Unless one waits. An extra run does no harm: it finds nothing to do.
        run = enqueue_low(
            task=REBUILD_TASK,
            kwargs={"index_id": index.pk},
            unique_key=f"{REBUILD_TASK} {index.pk}",
            requested_by=index.requested_by,
        )
        index.hand_to(run.task_id)
    return opened


def rebuild(*, index_id: int) -> dict[str, Any]:
    """Build one slice of an index. The run is snoozed until all is read; the last slice activates
    it.

    Two runs may work at once: the one that is behind ends. Raises :class:`SettingsChanged`.
    """
    index = SearchIndex.objects.filter(pk=index_id).first()
    if index is None or index.state != IndexState.BUILDING:
        return _progress(index, index_id)
    if not is_as_the_settings_say(index):
        index.cancel()
        raise SettingsChanged(
            "it was begun with other settings than this worker's: when all processes have been "
            f"started again with the same, run manage.py rebuild_index {index.collection}"
        )
    vector_store().create(index.table, shape_of(index.vectors, index.dimensions))
    progress = partial(_progress, index, index_id)
    in_slices(_steps(index), progress, seconds=slice_seconds(), pause=0, gives_way_after=0)
    return progress()


def _steps(index: SearchIndex) -> Iterator[None]:
    """One step a page, until another run is ahead or all is read, and the index is activated."""
    for cursor, size, read in pages(index):
        _build(index, read)
        if not index.advance(cursor=cursor, done=size):
            return
        yield
    _switch(index)


def cancel_with_run(ended: Sequence[Ended]) -> None:
    """Cancel the indexes whose runs ended before them and that no other run builds, in the same
    transaction: nobody would go on with them."""
    rows = SearchIndex.objects.building
    for _run, index in without_success(ended, task=REBUILD_TASK, argument="index_id", rows=rows):
        index.cancel()


def _progress(index: SearchIndex | None, index_id: int) -> dict[str, Any]:
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


def pages(index: SearchIndex) -> Iterator[tuple[str, int, Read]]:
    """The records that are still to be read, page by page: first those of the source, then ingested
    ones. Of each page the cursor after it, how many there are, and a function that reads those of
    them that there still are."""
    cursor, size = index.cursor, batch_size()
    source = collection_of(index.collection).source
    if source and not cursor.startswith(_INGESTED):
        for keys in source.pages(after=cursor.removeprefix(_STORED), size=size):
            yield _STORED + keys[-1], len(keys), partial(source.load, keys)
    after = int(cursor.removeprefix(_INGESTED)) if cursor.startswith(_INGESTED) else 0
    ingested = IngestedRecord.objects.filter(collection=index.collection).order_by("pk")
    while found := list(ingested.filter(pk__gt=after).values_list("pk", flat=True)[:size]):
        after = found[-1]
        yield f"{_INGESTED}{after}", len(found), partial(_ingested, found)


def _ingested(numbers: Sequence[int]) -> dict[str, Record]:
    found = IngestedRecord.objects.filter(pk__in=numbers).order_by("pk")
    return dict(found.values_list("key", "data"))


def _build(index: SearchIndex, read: Read) -> None:
    version = version_now()
    records = read()

    def build(items: Sequence[tuple[str, Record]]) -> Mapping[str, str]:
        return write([index], dict(items), version=version).refused

    done, failed = bisect(list(records.items()), build)
    refused = {key: reason_of(error) for (key, _record), error in failed}
    for some in done:
        refused |= some
    if refused:
        OutboxEntry.objects.note_refused(index.collection, refused)
    # A record may be deleted while its page is written; its removal may then have come before its
    # row. Such records get new entries, as do ingested records that an event has outdated
    # meanwhile. The entries are marked as ingested: no record has changed, so they must outdate
    # none.
    gone = records.keys() - read().keys()
    OutboxEntry.objects.append(index.collection, gone, ingested=True, history=True)


def _switch(index: SearchIndex) -> None:
    """Activate the index, as all records have been read."""
    compact(index)
    if index.activate():
        logger.info(
            "event=index_activated collection=%s table=%s records=%d",
            index.collection,
            index.table,
            index.records_done,
        )
    drop_replaced()
