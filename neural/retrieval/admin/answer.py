"""Hits without personal data, for users who may not see it.

The index has a record's text without the keys under which it stood, so names in it look like
nothing in particular. So a hit is shown as the document of its record with the record masked.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from neural.errors import NeuralError
from neural.personal.redacting import is_masked, redacted, redacted_text
from neural.retrieval.admin.criteria import FEW_OF_EACH, MANY, SearchCriteria
from neural.retrieval.collections.documents import Document, parts_of
from neural.retrieval.collections.registry import Record, SearchCollection, document_of
from neural.retrieval.models import IngestedRecord
from neural.retrieval.query.hits import Found, Hit
from neural.retrieval.query.searching import search, similar
from neural.retrieval.stores.base import StoreUnavailable, TableMissing


def masked_hits(hits: Sequence[Hit], collection: SearchCollection) -> list[Hit]:
    """These hits of a collection, masked. One whose record is gone keeps its title alone."""
    records = _records(collection, [hit.key for hit in hits])
    return [_masked(hit, _document(collection.name, records.get(hit.key))) for hit in hits]


def masked_title(collection: SearchCollection, record: Record) -> str:
    """The title of a record with personal data masked."""
    found = _document(collection.name, record)
    return found.title if found else ""


def _records(collection: SearchCollection, keys: Sequence[str]) -> Mapping[str, Record]:
    if collection.source is not None:
        return collection.source.load(keys)
    rows = IngestedRecord.objects.filter(collection=collection.name, key__in=keys)
    return dict(rows.values_list("key", "data"))


def _document(name: str, record: Record | None) -> Document | None:
    if record is None:
        return None
    try:
        return document_of(name, redacted(dict(record)))
    except Exception:  # noqa: BLE001 (it is no longer a document, or its app's code fails)
        return None


def _masked(hit: Hit, document: Document | None) -> Hit:
    if document is None:
        why = replace(hit.why, names=(), parts=())
        return replace(hit, title=redacted_text(hit.title), names=(), text="", why=why)
    visible = [document.title, *document.names, document.text]
    why = replace(
        hit.why, names=_within(hit.why.names, visible), parts=_within(hit.why.parts, visible)
    )
    names = tuple(document.names)
    return replace(hit, title=document.title, names=names, text=document.text, why=why)


def _within(parts: Iterable[str], texts: Sequence[str]) -> tuple[str, ...]:
    """What matched and is not masked: the rest would tell what is."""
    return tuple(part for part in parts if any(part in text for text in texts))


logger = logging.getLogger("neural.search")


@dataclass(frozen=True)
class Section:
    """The hits of one collection."""

    collection: SearchCollection
    hits: Sequence[Hit]
    there_may_be_more: bool
    more_address: str


@dataclass(frozen=True)
class Answer:
    """All hits, and notices about them. ``works`` is False if the search failed."""

    sections: Sequence[Section] = ()
    notices: Sequence[str] = ()
    works: bool = True

    @property
    def count(self) -> int:
        """The number of hits."""
        return sum(len(section.hits) for section in self.sections)


def answer_to(criteria: SearchCriteria) -> Answer:
    """Search within what the person may see. An error becomes a notice and is not raised."""
    if not criteria.store_is_known:
        return Answer()
    notices: dict[str, None] = {}
    sections = []
    try:
        for collection in criteria.chosen:
            found = _found(criteria, collection)
            notices |= dict.fromkeys(found.notices)
            sections.append(_section(criteria, collection, found))
    except NeuralError as error:
        logger.warning("event=search_failed error=%r", str(error))
        return Answer(notices=[what_is_wrong(error)], works=False)
    sections = [each for each in sections if each.hits]
    return Answer(sorted(sections, key=_by_meaning_alone), list(notices))


def name_of(criteria: SearchCriteria) -> str:
    """The title of the record in ``criteria.like``, or its id if it cannot be read; empty if the
    person may not see its store."""
    store, own = parts_of(criteria.like)
    if criteria.stores is not None and store not in criteria.stores:
        return ""
    for collection in criteria.chosen:
        records = collection.source.load([criteria.like]) if collection.source else {}
        for record in records.values():
            if is_masked():
                return masked_title(collection, record) or own
            with suppress(Exception):  # it is no longer a document, or its app's code fails
                return document_of(collection.name, record).title
    return own


def _found(criteria: SearchCriteria, collection: SearchCollection) -> Found:
    if criteria.like:
        return similar(collection.name, criteria.like, stores=criteria.stores, top_k=_top(criteria))
    since, until = criteria.period
    return search(
        criteria.text,
        collection.name,
        criteria.store or None,
        since,
        _top(criteria),
        until=until,
        kind=criteria.kind or None,
        stores=criteria.stores,
    )


def _section(
    criteria: SearchCriteria, collection: SearchCollection, found: Iterable[Hit]
) -> Section:
    hits = list(found)
    more = criteria.address(collection=collection.name, top=MANY if criteria.collection else "")
    is_full = len(hits) >= _top(criteria) and _top(criteria) < MANY
    return Section(collection, hits, is_full, more)


def _by_meaning_alone(section: Section) -> bool:
    """Some record is always nearest, so collections that also match a word of the query come
    first."""
    return all(set(hit.why.scores) <= {"meaning"} for hit in section.hits)


def _top(criteria: SearchCriteria) -> int:
    return criteria.top_k if criteria.collection else FEW_OF_EACH


def what_is_wrong(error: NeuralError) -> str:
    """An error as a sentence for the person who searches; the log has the details."""
    if isinstance(error, StoreUnavailable):
        return _(
            "The search index cannot be reached just now. Try again in a minute; if that does not "
            "help, manage.py doctor says what will."
        )
    if isinstance(error, TableMissing):
        return _("The search index is gone. It is built anew with: manage.py rebuild_index")
    return _("The search could not be made: %(error)s") % {"error": error}
