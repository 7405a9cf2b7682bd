"""What a search answers to a user: hits within what they may see, without personal data for who may
not see it.

The index has a record's text without the keys under which it stood, so names in it look like
nothing in particular. So a hit is shown as the document of its record with the record masked.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from django.utils.translation import gettext as _

from neural.kit.errors import NeuralError
from neural.personal.redacting import is_masked, redacted, redacted_text
from neural.retrieval.admin.criteria import MANY, SearchCriteria
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import Record, SearchCollection, document_of
from neural.retrieval.models import IngestedRecord
from neural.retrieval.query.evidence import MEANING
from neural.retrieval.query.hits import Found, Hit, missing_everywhere
from neural.retrieval.query.searching import search_each
from neural.retrieval.stores.base import StoreUnavailable, TableMissing

logger = logging.getLogger("neural.search")


@dataclass(frozen=True)
class Section:
    """The hits of one collection, as the user may see them."""

    collection: SearchCollection
    hits: Sequence[Hit]
    is_full: bool
    """Whether there may be more hits."""

    @property
    def strongest(self) -> tuple[bool, float]:
        """The place of its best evidence: a collection that is only near in meaning comes last, as
        the nearest row of each has the same score."""
        is_near = all(hit.why.scores.keys() <= {MEANING} for hit in self.hits)
        return is_near, -max((hit.score for hit in self.hits), default=0.0)

    def with_pages(self) -> Iterator[tuple[Hit, str]]:
        """Each hit with the address of its page in the admin; empty if it has none."""
        pages = self.collection.addresses([hit.key for hit in self.hits])
        return ((hit, pages.get(hit.key, "")) for hit in self.hits)


@dataclass(frozen=True)
class Answer:
    """All hits, and notices about them. ``works`` is False if the search failed."""

    sections: Sequence[Section] = ()
    notices: Sequence[str] = ()
    works: bool = True
    missing: Sequence[str] = ()
    """What was asked for and is in no record, as it was typed."""
    limits: Sequence[str] = ()
    """The words that are guessed to limit the search."""
    elsewhere: Sequence[Section] = ()
    """Where nothing was found: what would be without the collection, store, days and kind."""

    @property
    def count(self) -> int:
        """The number of hits."""
        return sum(len(section.hits) for section in self.sections)


def answer_to(criteria: SearchCriteria) -> Answer:
    """Search within what the person may see. An error becomes a notice and is not raised."""
    if not (criteria.asks and criteria.chosen and criteria.store_is_known):
        return Answer()
    try:
        found = _found(criteria)
        sections = _sections(criteria, found)
        wider = criteria.widened()
        elsewhere = [] if sections or wider == criteria else _sections(wider, _found(wider))
    except NeuralError as error:
        logger.warning("event=search_failed error=%r", str(error))
        return Answer(notices=[what_is_wrong(error)], works=False)
    return Answer(
        sections,
        list(dict.fromkeys(notice for each in found.values() for notice in each.notices)),
        missing=missing_everywhere(criteria.text, found.values()),
        limits=list(dict.fromkeys(word for each in found.values() for word in each.limits)),
        elsewhere=elsewhere,
    )


def _found(criteria: SearchCriteria) -> dict[str, Found]:
    """What is found in each collection."""
    names = [each.name for each in criteria.chosen]
    return search_each(
        criteria.text,
        names,
        criteria.store or None,
        criteria.since,
        criteria.top,
        until=criteria.until,
        kind=criteria.kind or None,
        stores=criteria.stores,
        sort=criteria.sort,
        meaning=not criteria.is_typing,
    )


def _sections(criteria: SearchCriteria, found: Mapping[str, Found]) -> list[Section]:
    """The collections that have hits, that with the strongest evidence first."""
    sections = [
        Section(each, masked_hits(hits, each), criteria.top <= len(hits) < MANY)
        for each in criteria.chosen
        if (hits := found[each.name])
    ]
    return sorted(sections, key=lambda each: each.strongest)


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


def masked_hits(hits: Sequence[Hit], collection: SearchCollection) -> Sequence[Hit]:
    """These hits of a collection as their viewer may see them. One whose record is gone keeps its
    title alone."""
    if not is_masked():
        return hits
    documents = _documents(collection, [hit.key for hit in hits])
    return [_masked(hit, documents.get(hit.key)) for hit in hits]


def _documents(collection: SearchCollection, keys: Sequence[str]) -> Mapping[str, Document]:
    """The documents of these records, as their viewer may see them, of those that can be read."""
    records: Mapping[str, Record] = {}
    if collection.source is None:
        rows = IngestedRecord.objects.filter(collection=collection.name, key__in=keys)
        records = dict(rows.values_list("key", "data"))
    else:
        with suppress(RecursionError):  # a payload may be nested too deeply
            records = collection.source.load(keys)
    documents = {}
    for key, record in records.items():
        with suppress(Exception):  # it is no longer a document, or its app's code fails
            own = redacted(dict(record)) if is_masked() else record
            documents[key] = document_of(collection.name, own)
    return documents


def _masked(hit: Hit, document: Document | None) -> Hit:
    own = document or Document(id=hit.id, title=redacted_text(hit.title))
    visible = (own.title, *own.names, own.text) if document else ()

    def seen(parts: Iterable[str]) -> tuple[str, ...]:
        """What matched and is not masked: the rest would tell what is."""
        return tuple(part for part in parts if any(part in each for each in visible))

    why = replace(
        hit.why,
        names=seen(hit.why.names),
        parts=seen(hit.why.parts),
        matched={kind: seen(each) for kind, each in hit.why.matched.items()},
    )
    return replace(hit, title=own.title, names=tuple(own.names), text=own.text, why=why)
