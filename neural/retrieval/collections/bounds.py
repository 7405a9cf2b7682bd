"""What of a document every store can keep and every page can show. Pure.

A record may say anything of any length, and one that some store stumbles over would hold up its
whole batch: PostgreSQL indexes no kind of 8 kB, and to spell out a title of a megabyte takes a
minute.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace

from neural.retrieval.collections.documents import UNSTORABLE, Document

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
