"""Hits without personal data, for users who may not see it.

The index has a record's text without the keys under which it stood, so names in it look like
nothing in particular. So a hit is shown as the document of its record with the record masked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from neural.personal.redacting import redacted, redacted_text
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.registry import Record, SearchCollection, document_of
from neural.retrieval.models import IngestedRecord
from neural.retrieval.query.hits import Hit


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
    shown = [document.title, *document.names, document.text]
    why = replace(hit.why, names=_within(hit.why.names, shown), parts=_within(hit.why.parts, shown))
    names = tuple(document.names)
    return replace(hit, title=document.title, names=names, text=document.text, why=why)


def _within(parts: Iterable[str], texts: Sequence[str]) -> tuple[str, ...]:
    """What matched and is not masked: the rest would tell what is."""
    return tuple(part for part in parts if any(part in text for text in texts))
