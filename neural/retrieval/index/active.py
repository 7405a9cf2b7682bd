"""Looking up the index in which a collection is searched, and those that changes are written to."""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from neural.errors import NeuralError
from neural.retrieval.choosing import embedder, vector_store
from neural.retrieval.collections.registry import SearchCollection, collection_of
from neural.retrieval.conf import conf
from neural.retrieval.embedders.base import Embedder
from neural.retrieval.index.fields import TOKEN_FORM, shape_of
from neural.retrieval.models import IndexGap, IndexState, OutboxEntry, SearchIndex
from neural.retrieval.stores.base import Shape, VectorStore

MOST_COUNTED = 20_000
"""At most this many waiting entries are read when the records that a new index lacks are
counted."""
_SLUG_LENGTH = 24


@dataclass(frozen=True, kw_only=True)
class ActiveIndex:
    """The index of a collection, with all that a search needs to use it."""

    index: SearchIndex
    store: VectorStore
    shape: Shape
    embedder: Embedder | None
    """None if the index was made with another model than that of the settings. Then meaning is left
    out."""
    notices: tuple[str, ...] = ()
    """Sentences for the person who searches: what is wrong with the index, and what to do."""


def active_index(collection: str) -> ActiveIndex | None:
    """The index in which a collection is searched; None if there is none in the settings' vector
    store."""
    index = SearchIndex.objects.active().filter(collection=collection).first()
    if index is None or index.store_kind != conf().vector_store:
        return None
    return ActiveIndex(
        index=index,
        store=vector_store(),
        shape=table_shape(index),
        embedder=its_embedder(index),
        notices=notices_of(index),
    )


def table_shape(index: SearchIndex) -> Shape:
    """The shape of the index's table."""
    return shape_of(index.vectors, index.dimensions)


def its_embedder(index: SearchIndex) -> Embedder | None:
    """The embedder of the settings if it has the model of this index, else None."""
    try:
        found = embedder()
        same = (found.name, found.dimensions) == (index.embedder, index.dimensions)
    except NeuralError:  # wrongly set up: search goes on without meaning
        return None
    return found if same else None


def notices_of(index: SearchIndex) -> tuple[str, ...]:
    """What does not fit between an index and the settings, and what to do about it, as sentences in
    the active language."""
    remedy = _("run manage.py rebuild_index %(name)s") % {"name": index.collection}
    about = {"name": index.collection, "remedy": remedy}
    notices = [
        _("The index of %(name)s %(what)s: %(remedy)s.") % {**about, "what": what}
        for what in _misfits(index)
    ]
    return tuple(_switched_off() + notices + _trouble_of_embedder())


def _models(index: SearchIndex, chosen: Embedder) -> dict[str, str]:
    """The names of the old and the new model. If they are the same, their dimensions are added."""
    if index.embedder != chosen.name:
        return {"old": index.embedder, "new": chosen.name}
    lengths = {"old": index.dimensions, "new": chosen.dimensions}
    return {which: f"{chosen.name} ({length})" for which, length in lengths.items()}


def _switched_off() -> list[str]:
    off = _("What has happened lately is not found: search is switched off (NEURAL search).")
    return [] if conf().search else [off]


def _misfits(index: SearchIndex) -> list[str]:
    found = []
    if index.store_kind != conf().vector_store:
        about = {"old": index.store_kind, "new": conf().vector_store}
        found.append(_("is in %(old)s, the settings say %(new)s") % about)
    if not _trouble_of_embedder() and its_embedder(index) is None:
        about = _models(index, embedder())
        found.append(
            _("was made with %(old)s, the settings say %(new)s; meaning is left out") % about
        )
    if index.token_form != TOKEN_FORM:
        found.append(_("was made by an older release, which took words apart in another way"))
    found += _gaps(index)
    if index.left_out:
        lacks = _("lacks about %(count)s records that are older than it")
        found.append(lacks % {"count": f"{index.left_out:,}"})
    return found


def _gaps(index: SearchIndex) -> list[str]:
    """How many records another process has indexed without vectors. Empty if this process lacks the
    model too, as another notice says that."""
    if its_embedder(index) is None:
        return []
    number = len(IndexGap.objects.filter(index=index).values("pk")[:MOST_COUNTED])
    sentence = ngettext(
        "has %(count)s record without its meaning, written by a worker whose settings name another "
        "model than %(model)s; it is added by one that has it",
        "has %(count)s records without their meaning, written by a worker whose settings name "
        "another model than %(model)s; it is added by one that has it",
        number,
    )
    return [sentence % {"count": f"{number:,}", "model": index.embedder}] if number else []


def _trouble_of_embedder() -> list[str]:
    try:
        embedder()
    except NeuralError as error:
        return [_("Meaning is left out: %(error)s") % {"error": error}]
    return []


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
    """Make an index and activate it at once, so that changes are soon found. Older records are not
    in it; they are counted so that a notice can say how many are missing."""
    older = _unmarked_records(collection)
    mine = SearchIndex.objects.filter(collection=collection.name)
    try:
        with transaction.atomic():
            index = new_index(collection.name, requested_by="first index")
            # Only one index is built at a time. Another process that was faster has committed by
            # now.
            if mine.active().exists():
                transaction.set_rollback(True)
                return
            index.activate()
            index.lacks(older)
    except IntegrityError:  # another index is being built
        if not mine.written().exists():
            raise


def _unmarked_records(collection: SearchCollection) -> int:
    if collection.source is None:
        return 0
    records = (
        collection.source.count()
    )  # counted first: a record that enters the outbox meanwhile is not an older one
    waiting = OutboxEntry.objects.waiting().filter(collection=collection.name)
    known = len(set(waiting.values_list("key", flat=True)[:MOST_COUNTED]))
    return max(0, records - known) if known < MOST_COUNTED else 0


def new_index(collection: str, *, requested_by: str, records: int = 0) -> SearchIndex:
    """Create an index in the state BUILDING, with the settings of now and about ``records`` records
    to read. Raises IntegrityError if the collection has one already."""
    chosen = embedder()
    return SearchIndex.objects.create(
        collection=collection,
        table=_table_name(collection),
        store_kind=conf().vector_store,
        embedder=chosen.name,
        dimensions=chosen.dimensions,
        vectors=list(collection_of(collection).vectors),
        token_form=TOKEN_FORM,
        state=IndexState.BUILDING,
        records_total=records,
        requested_by=requested_by[:150],
    )


def _table_name(collection: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "_", collection.lower()).strip("_")[:_SLUG_LENGTH]
    return f"{slug or 'collection'}_{secrets.token_hex(4)}"


def is_as_the_settings_say(index: SearchIndex) -> bool:
    """Whether an index made now would have the same vector store, model, vectors and tokens."""
    vectors: Sequence[str] = collection_of(index.collection).vectors
    same = index.store_kind == conf().vector_store and index.token_form == TOKEN_FORM
    return same and its_embedder(index) is not None and tuple(index.vectors) == tuple(vectors)
