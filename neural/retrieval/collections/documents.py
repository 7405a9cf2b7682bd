"""Documents: what of a record is searched, and what of that every store can keep and every page can
show. Pure.

A record may say anything of any length, and one that some store stumbles over would hold up its
whole batch: PostgreSQL indexes no kind of 8 kB, and to spell out a title of a megabyte takes a
minute.
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
"""Characters of a title and of each name; a longer one is searched as far as that."""
MOST_NAMES = 300
LONGEST_NAMES = 4_000
"""Characters of all names together."""
LONGEST_TEXT = 8_000
_EARLIEST = dt.datetime(1, 1, 3, tzinfo=dt.UTC)
_LATEST = dt.datetime(9999, 12, 29, tzinfo=dt.UTC)
"""Times that can be shown in every zone."""


class RecordRefused(PermanentError):
    """A record cannot be searched: it says which one and why."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A record as search sees it.

    ``names`` are what people would type to find it: the title of a dish, the dishes of an order.
    ``title`` is its own name, searched apart from ``names``, so that a restaurant is found by its
    own name as well as by its dishes; where the two are one, ``names`` is empty.
    """

    id: str
    """The record's own id, unique within its store."""
    store: str = ""
    """Code of the store it belongs to; empty for what belongs to none."""
    kind: str = ""
    """What of several kinds in its collection it is: an event's type, a dish's category."""
    at: dt.datetime | None = None
    """When it happened, for searches of a period."""
    title: str
    names: tuple[str, ...] = ()
    lead: str = ""
    """Its first sentence, where it has a longer description."""
    text: str = ""
    """All else that it says."""
    meaning: str | None = None
    """What to embed, where ids, numbers and repetitions in the rest would only blur it; None: all
    of it."""

    @property
    def key(self) -> str:
        """What it is known by in its collection. A store's code has no slash, an id may."""
        return key_of(store=self.store, id=self.id)


def key_of(*, store: str, id: str) -> str:  # noqa: A002 (the field's own name)
    """The key of the record with this id of this store."""
    return f"{store}/{id}"


def parts_of(key: str) -> tuple[str, str]:
    """Store and id of a key."""
    store, _, own = key.partition("/")
    return store, own


def check(document: Document, *, collection: str) -> Document:
    """Refuse a document without words or an id to keep it by, naming its collection and id."""
    if not document.id.strip():
        raise RecordRefused(f"{collection}: a record without an id: {document.title[:80]!r}")
    if UNSTORABLE.search(document.key):
        raise RecordRefused(f"{collection}: id {document.key!r} has a character no database keeps")
    if not any((document.title.strip(), *document.names, document.text.strip())):
        raise RecordRefused(f"{collection}: record {document.id!r} has no text to be found by")
    return document


def bounded(document: Document) -> Document:
    """The document cut to what is kept, without U+0000 and halves of surrogate pairs. A time that
    no calendar has everywhere is none."""
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
    """The first of them."""
    left = LONGEST_NAMES
    for number, name in enumerate(names):
        kept = _cut(name, LONGEST_NAME)
        left -= len(kept)
        if left < 0 or number >= MOST_NAMES:
            return
        yield kept


def _showable(at: dt.datetime | None) -> dt.datetime | None:
    return at if at is not None and _EARLIEST <= at <= _LATEST else None
