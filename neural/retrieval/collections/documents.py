"""Documents: the searchable content of a record, bounded so that every store can keep it and every
page can show it. Pure.

A record may contain anything of any length. One that a store cannot keep would block its whole
batch: PostgreSQL cannot index a kind of 8 kB, and finding the sound of a title of a megabyte takes
a minute.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from neural.errors import PermanentError
from neural.retrieval.text import without_numbers

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""U+0000, and halves of surrogate pairs."""
LONGEST_KIND = 200
LONGEST_NAME = 300
"""Characters of a title and of each name. The rest of a longer one is not searched."""
MOST_NAMES = 300
LONGEST_NAMES = 4_000
"""Characters of all names together."""
LONGEST_TEXT = 8_000
_EARLIEST = dt.datetime(1, 1, 3, tzinfo=dt.UTC)
_LATEST = dt.datetime(9999, 12, 29, tzinfo=dt.UTC)
"""Times between these can be shown in every time zone."""


class RecordRefused(PermanentError):
    """A record cannot be searched; the message says which one and why."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A record as search sees it.

    ``names`` are what people would type to find it: the title of a dish, the dishes of an order.
    ``title`` is its own name and need not be repeated in ``names``: a restaurant is found by its
    own name as well as by its dishes.
    """

    id: str
    """The record's own id, unique within its store."""
    store: str = ""
    """The code of the record's store; empty if it belongs to none."""
    kind: str = ""
    """Its kind within the collection: an event's type, a dish's category."""
    at: dt.datetime | None = None
    """When it happened, for searches within a period."""
    title: str
    names: tuple[str, ...] = ()
    lead: str = ""
    """The first sentence of its description."""
    text: str = ""
    """The rest of its text."""
    meaning: str | None = None
    """The text to embed, for records whose ids, numbers and repetitions would only blur it; None:
    all text."""

    @property
    def key(self) -> str:
        """The record's key in its collection: STORE/ID. A store's code has no slash, an id may have
        some."""
        return key_of(store=self.store, id=self.id)


def key_of(*, store: str, id: str) -> str:  # noqa: A002 (the field's own name)
    """The key of the record with this id in this store."""
    return f"{store}/{id}"


def parts_of(key: str) -> tuple[str, str]:
    """The store and the id of a key."""
    store, _, own = key.partition("/")
    return store, own


def check(document: Document, *, collection: str) -> Document:
    """The document, if it has a valid id and any text. Raises :class:`RecordRefused` with
    collection and id."""
    if not document.id.strip():
        raise RecordRefused(f"{collection}: a record without an id: {document.title[:80]!r}")
    if UNSTORABLE.search(document.key):
        raise RecordRefused(f"{collection}: id {document.key!r} has a character no database keeps")
    if not any((document.title.strip(), *document.names, document.text.strip())):
        raise RecordRefused(f"{collection}: record {document.id!r} has no text to be found by")
    return document


def bounded(document: Document) -> Document:
    """The document cut to the lengths that are kept, without U+0000 and halves of surrogate pairs.
    A time that cannot be shown in every time zone becomes None."""
    return replace(
        document,
        kind=_cut(document.kind, LONGEST_KIND),
        at=_showable(document.at),
        title=_cut(document.title, LONGEST_NAME),
        names=tuple(_names(document.names)),
        lead=_cut(document.lead, LONGEST_TEXT),
        text=_cut(document.text, LONGEST_TEXT),
    )


def _cut(text: str, longest: int) -> str:
    return UNSTORABLE.sub(" ", text[:longest])


def _names(names: Iterable[str]) -> Iterator[str]:
    """The names up to both limits."""
    left = LONGEST_NAMES
    for number, name in enumerate(names):
        cut = _cut(name, LONGEST_NAME)
        left -= len(cut)
        if left < 0 or number >= MOST_NAMES:
            return
        yield cut


def _showable(at: dt.datetime | None) -> dt.datetime | None:
    return at if at is not None and _EARLIEST <= at <= _LATEST else None


# Reading records of different origin, which may name the same field differently: our own rows,
# and what callers of ``index_to_vector_db`` send


LONGEST_ID = 200
_SENTENCE_END = re.compile(r"(?<=[。！？!?])|(?<=\.)\s|\n")


def own_id(record: Mapping[str, Any], *names: str, collection: str) -> str:
    """The record's id, from the first of these fields that has one. Raises
    :class:`RecordRefused`."""
    found = first_text(record, *names)
    if not found:
        raise RecordRefused(f"{collection}: a record without an id: it has no {names[0]!r}")
    if len(found) > LONGEST_ID:
        raise RecordRefused(f"{collection}: id {found[:40]!r}… has over {LONGEST_ID} characters")
    return found


def store_of(record: Mapping[str, Any], *, collection: str) -> str:
    """The code of the record's store, or an empty text. Raises :class:`RecordRefused` for an
    invalid one."""
    code = first_text(record, "store_id", "store")
    if "/" in code or len(code) > 64:
        raise RecordRefused(f"{collection}: {code[:80]!r} cannot be the code of a store")
    return code


def first_text(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is not empty, as text."""
    return next((text for name in names if (text := as_text(record.get(name)))), "")


def as_text(value: Any) -> str:
    """A text or a number as text, without characters that no database keeps. Anything else is
    empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return UNSTORABLE.sub("", str(value)).strip()


def texts(value: Any, *, without: Iterable[str] = ()) -> Iterator[str]:
    """All texts and numbers inside a value, in its order, without those in the fields
    ``without``."""
    left_out = frozenset(without)
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in left_out:
                yield from texts(inner, without=left_out)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner, without=left_out)
    elif text := as_text(value):
        yield text


def listed(record: Mapping[str, Any], *names: str) -> list[Any]:
    """The items of the first of these fields that has any. A text is one item."""
    for name in names:
        value = record.get(name)
        items = list(value) if isinstance(value, list | tuple) else [as_text(value)]
        if any(items):
            return items
    return []


def named(items: Iterable[Any]) -> list[str]:
    """The names of the items in a list. Each item is a text, or a mapping with a name."""
    found = (
        first_text(each, "name", "title", "dish_name", "dish", "item")
        if isinstance(each, Mapping)
        else as_text(each)
        for each in items
    )
    return list(dict.fromkeys(name for name in found if name))


def moment_of(record: Mapping[str, Any], *names: str) -> dt.datetime | None:
    """The first of these fields that is a time. A time without a zone is in UTC."""
    for name in names:
        value = record.get(name)
        try:
            found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
        except ValueError:
            continue
        if isinstance(found, dt.datetime):
            return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return None


def first_sentence(text: str) -> str:
    """The text up to the first full stop."""
    return _SENTENCE_END.split(text.strip(), maxsplit=1)[0].strip()


def meaning_of(names: Iterable[str], more: Iterable[str]) -> str:
    """The text to embed for a list of names and some more texts, each once. The names are sorted
    and words with digits are removed, so the same dishes in any order give the same text."""
    things = sorted({without_numbers(name).strip() for name in names})
    words = (without_numbers(text).strip() for text in more)
    return "，".join(dict.fromkeys(part for part in (*things, *words) if part))


def joined(parts: Iterable[str]) -> str:
    """The parts joined, each once, cut to the length that is searched."""
    return " · ".join(dict.fromkeys(part for part in parts if part))[:LONGEST_TEXT]
