"""Looking up the index in which a collection is searched, and those that changes are written to."""

import re
import secrets
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.kit.errors import NeuralError
from neural.retrieval.choosing import embedder, vector_store
from neural.retrieval.collections.registry import SearchCollection, collection_of
from neural.retrieval.conf import conf
from neural.retrieval.embedders.base import Embedder
from neural.retrieval.index.fields import TOKEN_FORM
from neural.retrieval.models import IndexState, OutboxEntry, SearchIndex, SearchRow
from neural.retrieval.stores.base import VectorStore

MOST_COUNTED = 20_000
"""At most this many waiting entries are read when the records that a new index lacks are
counted."""
_SLUG_LENGTH = 24


@dataclass(frozen=True, kw_only=True)
class ActiveIndex:
    """The index of a collection, with all that a search needs to use it."""

    index: SearchIndex
    store: VectorStore
    embedder: Embedder | None
    """None if the index was made with another model than that of the settings. Then meaning is left
    out."""
    notices: tuple[str, ...] = ()
    """Sentences for the person who searches: what is wrong with the index, and what to do."""

    @property
    def has_vectors(self) -> bool:
        """Whether its vectors can be asked: not those of an older release."""
        return bool(self.index.vectors) and self.index.token_form == TOKEN_FORM

    def records(self, stores: Collection[str] | None) -> int:
        """How many records of these stores (None: of all, and of none) it has."""
        own = SearchRow.objects.filter(index=self.index)
        return (own if stores is None else own.filter(store__in=stores)).count()


_read: ContextVar[list[SearchIndex] | None] = ContextVar("read_indexes", default=None)


@contextmanager
def indexes_read_once() -> Iterator[None]:
    """Within it, the indexes of all collections are read from the database by one statement."""
    before = _read.set([])
    try:
        yield
    finally:
        _read.reset(before)


def read_again() -> None:
    """Forget the indexes that were read: one of them has been replaced."""
    if found := _read.get():
        found.clear()


_WRITTEN = """
SELECT *, EXISTS (SELECT 1 FROM neural_searchrow
    WHERE index_id = neural_searchindex.id AND lacks_vectors) AS has_gaps
FROM neural_searchindex WHERE state IN ('active', 'building')"""
"""A plain statement: to compose it by Django would take a tenth of the time of a search."""


def indexes_of(collection: str) -> dict[str, SearchIndex]:
    """The indexes of a collection that are written, by their state."""
    shared = _read.get()
    if shared is None:
        known = list(SearchIndex.objects.raw(f"{_WRITTEN} AND collection = %s", [collection]))
    else:
        shared += [] if shared else SearchIndex.objects.raw(_WRITTEN)
        known = shared
    return {each.state: each for each in known if each.collection == collection}


def active_index(collection: str) -> ActiveIndex | None:
    """The index in which a collection is searched; None if there is none in the settings' vector
    store. In place of an index of an older release, the one that is being built is searched as far
    as it is built."""
    indexes = indexes_of(collection)
    index = indexes.get(IndexState.ACTIVE)
    if index is None:
        return None
    old, is_older = index, index.token_form != TOKEN_FORM
    index = indexes.get(IndexState.BUILDING, old) if is_older else old
    if index.store_kind != conf().vector_store:
        return None
    notices = notices_of(old)
    return ActiveIndex(
        index=index, store=vector_store(), embedder=its_embedder(index), notices=notices
    )


def its_embedder(index: SearchIndex) -> Embedder | None:
    """The embedder of the settings if it has the model of this index, else None."""
    found, _trouble = _embedder()
    same = found and (found.name, found.dimensions) == (index.embedder, index.dimensions)
    return found if same else None


def _embedder() -> tuple[Embedder | None, tuple[str, ...]]:
    """The embedder of the settings; None if it is wrongly set up, and then why. Search goes on
    without meaning."""
    try:
        return embedder(), ()
    except NeuralError as error:
        return None, (_("Meaning is left out: %(error)s") % {"error": error},)


# What is wrong with an index


def notices_of(index: SearchIndex) -> tuple[str, ...]:
    """What does not fit between an index and the settings, and what to do about it, as sentences in
    the active language."""
    off = _("What has happened lately is not found: search is switched off (NEURAL search).")
    remedy = _("run manage.py rebuild_index %(name)s") % {"name": index.collection}
    about = {"name": index.collection, "remedy": remedy}
    if index.token_form != TOKEN_FORM:
        anew = _(
            "The index of %(name)s was made by an older release: the workers build it anew. Until "
            "then records are found as far as it is built."
        )
        return (*([] if conf().search else [off]), anew % about)
    misfits = (
        _("The index of %(name)s %(what)s: %(remedy)s.") % {**about, "what": what}
        for what in _misfits(index)
    )
    return (*([] if conf().search else [off]), *misfits, *_embedder()[1])


def _misfits(index: SearchIndex) -> Iterator[str]:
    if index.store_kind != conf().vector_store:
        about = {"old": index.store_kind, "new": conf().vector_store}
        yield _("is in %(old)s, the settings say %(new)s") % about
    chosen, _trouble = _embedder()
    if chosen and its_embedder(index) is None:
        about = {"old": index.embedder, "new": chosen.name}
        if index.embedder == chosen.name:
            about["old"] += f" ({index.dimensions})"
            about["new"] += f" ({chosen.dimensions})"
        yield _("was made with %(old)s, the settings say %(new)s; meaning is left out") % about
    # If this process lacks the model too, another notice says that.
    if getattr(index, "has_gaps", True) and its_embedder(index) is not None:
        yield from _gaps(index)
    if index.left_out:
        lacks = _("lacks about %(count)s records that are older than it")
        yield lacks % {"count": f"{index.left_out:,}"}


def _gaps(index: SearchIndex) -> Iterator[str]:
    """How many records another process has indexed without vectors."""
    lacking = SearchRow.objects.filter(index=index, lacks_vectors=True)
    if number := len(lacking.values("pk")[:MOST_COUNTED]):
        sentence = ngettext(
            "has %(count)s record without its meaning, written by a worker whose settings name "
            "another model than %(model)s; it is added by one that has it",
            "has %(count)s records without their meaning, written by a worker whose settings name "
            "another model than %(model)s; it is added by one that has it",
            number,
        )
        yield sentence % {"count": f"{number:,}", "model": index.embedder}


# The indexes that are written


def written_indexes(collection: SearchCollection) -> list[SearchIndex]:
    """The indexes of a collection that changes are written to. The first index is made if there is
    none.

    Empty if the settings now name another vector store: then the index must be rebuilt.
    """
    written = SearchIndex.objects.written().filter(collection=collection.name)
    indexes = list(written)
    if not indexes:
        _make_first_index(collection)
        indexes = list(written.all())  # again, as a rebuild may have begun meanwhile
    return [index for index in indexes if index.store_kind == conf().vector_store]


def _make_first_index(collection: SearchCollection) -> None:
    """Make an index that is active at once, so that changes are soon found. Older records are not
    in it; they are counted so that a notice can say how many are missing."""
    older = _unmarked_records(collection)
    how = {"requested_by": "first index", "records_total": older}
    with suppress(IntegrityError), transaction.atomic():  # another process was faster
        new_index(collection.name, state=IndexState.ACTIVE, activated_at=Now(), **how)


def _unmarked_records(collection: SearchCollection) -> int:
    if collection.source is None:
        return 0
    # Counted first: a record that enters the outbox meanwhile is not an older one.
    records = collection.source.count()
    waiting = OutboxEntry.objects.waiting().filter(collection=collection.name)
    known = len(set(waiting.values_list("key", flat=True)[:MOST_COUNTED]))
    return max(0, records - known) if known < MOST_COUNTED else 0


def new_index(collection: str, **fields: Any) -> SearchIndex:
    """Create an index with the settings of now, in the state BUILDING unless ``fields`` say
    otherwise. Raises IntegrityError if the collection has one in this state already."""
    chosen = embedder()
    return SearchIndex.objects.create(
        collection=collection,
        table=_table_name(collection),
        store_kind=conf().vector_store,
        embedder=chosen.name,
        dimensions=chosen.dimensions,
        vectors=list(collection_of(collection).vectors),
        token_form=TOKEN_FORM,
        **fields,
    )


def _table_name(collection: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", collection.lower()).strip("_")[:_SLUG_LENGTH]
    return f"{slug or 'collection'}_{secrets.token_hex(4)}"


def is_as_the_settings_say(index: SearchIndex) -> bool:
    """Whether an index made now would have the same vector store, model, vectors and tokens."""
    same = index.store_kind == conf().vector_store and index.token_form == TOKEN_FORM
    own = list(collection_of(index.collection).vectors)
    return same and its_embedder(index) is not None and index.vectors == own
