"""How far the indexes are behind the database, and the notices about them that people see."""

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.health.findings import span
from neural.models import RunState, TaskRun
from neural.retrieval.collections.registry import SearchCollection, collection_of, collections
from neural.retrieval.conf import conf
from neural.retrieval.index.active import indexes_of, notices_of
from neural.retrieval.models import IndexShard, IndexState, IngestedRecord, OutboxEntry, SearchIndex
from neural.retrieval.models.outbox_entry import OutboxEntryQuerySet
from neural.runs.models.run import SET_ASIDE_STATES

COUNTED = 1000
"""Records are counted up to this number."""


def counted(number: int) -> str:
    """A number of records as text for people: '1,000+' where counting stopped."""
    return f"{number:,}" + ("+" if number >= COUNTED else "")


@dataclass(frozen=True, kw_only=True)
class Lag:
    """How many records wait to be indexed. Numbers are at most COUNTED."""

    waiting: int = 0
    oldest_seconds: float = 0.0
    """How long the oldest of them has been waiting; 0 if none waits."""
    live_seconds: float = 0.0
    """How long the oldest one has been waiting that was not loaded as history, which is not
    urgent."""
    refused: int = 0
    """Records that cannot be indexed; their entries say why."""
    troubles: Sequence[str] = ()
    """Why indexing is blocked until a person does something."""

    @property
    def text(self) -> str:
        """How many records wait, and for how long, as a sentence for people."""
        if not self.waiting:
            return _("up to date")
        number = ngettext("%(count)s record waits", "%(count)s records wait", self.waiting)
        waits = number % {"count": counted(self.waiting)}
        texts = {"waits": waits, "span": span(self.oldest_seconds)}
        return _("%(waits)s to be indexed, the first for %(span)s") % texts


def index_lag(
    *, now: dt.datetime, collection: str | None = None, stores: Collection[str] | None = None
) -> Lag:
    """How far the index of a collection, or of all, is behind. ``now`` is the database's time, as
    that of the entries is. With ``stores``, only records of these stores are counted."""
    entries: OutboxEntryQuerySet = OutboxEntry.objects.in_stores(stores)
    if collection is not None:
        entries = entries.filter(collection=collection)
    live, history = (_first(entries.waiting(), kind) for kind in (False, True))
    waited = [
        max(0.0, (now - each[0]).total_seconds()) if each else 0.0 for each in (live, history)
    ]
    return Lag(
        waiting=min(len(live) + len(history), COUNTED),
        oldest_seconds=max(waited),
        live_seconds=waited[0],
        refused=len(entries.refused().values_list("pk")[:COUNTED]),
        troubles=_troubles(),
    )


def _troubles() -> tuple[str, ...]:
    """The troubles of the shards in use, each once."""
    shards = IndexShard.objects.filter(number__lt=conf().index_shards).order_by("pk")
    return tuple(dict.fromkeys(shard.trouble for shard in shards if shard.trouble))


def _first(entries: OutboxEntryQuerySet, history: bool) -> Sequence[dt.datetime]:
    own = entries.filter(history=history).order_by("pk")
    return list(own.values_list("created_at", flat=True)[:COUNTED])


def index_notices() -> dict[str, tuple[str, ...]]:
    """The notices about the index that is searched, for each collection that has any."""
    known = {each.name for each in collections()}  # unknown collections cannot be rebuilt
    indexes = SearchIndex.objects.active().filter(collection__in=known)
    found = {index.collection: notices_of(index) for index in indexes}
    return {name: notices for name, notices in sorted(found.items()) if notices}


def why_it_waits(index: SearchIndex) -> str:
    """Why the building of an index does not progress: the error of the last attempt while the run
    waits for the next one. Empty if it did not fail."""
    if index.state != IndexState.BUILDING:
        return ""
    runs = TaskRun.objects.filter(task_id=index.task_id, state=RunState.PENDING, failures__gt=0)
    return "".join(run.error for run in runs)


def why_nobody_builds_it(index: SearchIndex) -> str:
    """Why an index is not complete and nobody works on it: its run is dead, cancelled or deleted.
    Empty if somebody does."""
    if index.state != IndexState.BUILDING or not index.task_id:
        return ""
    run = TaskRun.objects.filter(task_id=index.task_id).first()
    if run is not None and run.state not in SET_ASIDE_STATES:
        return ""
    # Read after the run, whose last act is to activate the index.
    if not SearchIndex.objects.filter(pk=index.pk, state=IndexState.BUILDING).exists():
        return ""
    why = (run.error or run.get_state_display()) if run else _("its run is gone")
    sentence = _(
        "Nobody builds it any more (%(why)s). Ask for the rebuild again: it goes on where it "
        "stopped."
    )
    return sentence % {"why": why}


def why_nothing_is_searched(collection: str) -> tuple[str, ...]:
    """Notices for a collection that has no index that can be searched. Empty if it has no
    records."""
    if index := indexes_of(collection).get(IndexState.ACTIVE):
        return notices_of(index)  # it is in another vector store
    if not has_records(collection_of(collection)):
        return ()
    sentence = _("Nothing of %(collection)s is indexed yet: manage.py rebuild_index %(collection)s")
    return (sentence % {"collection": collection},)


def has_records(collection: SearchCollection) -> bool:
    """Whether the collection has any record to index."""
    source = collection.source
    if source is not None and next(iter(source.pages(after="", size=1)), None):
        return True
    return IngestedRecord.objects.filter(collection=collection.name).exists()
