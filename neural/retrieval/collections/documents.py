"""Documents: the searchable content of a record, bounded so that every store can keep it and every
page can show it. Pure.

A record may contain anything of any length. One that a store cannot keep would block its whole
batch: PostgreSQL cannot index a kind of 8 kB, and finding the sound of a title of a megabyte takes
a minute.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from neural.errors import PermanentError

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
        kept = _cut(name, LONGEST_NAME)
        left -= len(kept)
        if left < 0 or number >= MOST_NAMES:
            return
        yield kept


def _showable(at: dt.datetime | None) -> dt.datetime | None:
    return at if at is not None and _EARLIEST <= at <= _LATEST else None
