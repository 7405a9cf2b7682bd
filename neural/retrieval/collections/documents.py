"""Documents: the searchable content of a record, bounded so that every store can keep it and every
page can show it. Pure.

A record may contain anything of any length. One that a store cannot keep would block its whole
batch: PostgreSQL cannot index a kind of 8 kB, and finding the sound of a title of a megabyte takes
a minute.
"""

import datetime as dt
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from neural.kit.errors import PermanentError
from neural.kit.storable import is_storable, storable
from neural.retrieval.text import units, without_numbers

LONGEST_ID, LONGEST_CODE = 200, 64
LONGEST_KIND = 200
LONGEST_NAME = 300
"""Characters of a title and of each name. The rest of a longer one is not searched."""
MOST_NAMES = 300
LONGEST_NAMES = 4_000
"""Characters of all names together."""
LONGEST_TEXT = 8_000
MOST_FACTS = 30
LARGEST_NUMBER = 10**15
"""A fact that is a number is smaller, in either direction."""
MOST_PLACES = 40
"""Digits of a number behind its point."""
EARLIEST = dt.datetime(1, 1, 3, tzinfo=dt.UTC)
_LATEST = dt.datetime(9999, 12, 29, tzinfo=dt.UTC)
"""Times between these can be shown in every time zone."""


Fact = str | int | Decimal


class RecordRefused(PermanentError):
    """A record cannot be searched; the message says which one and why."""


@dataclass(frozen=True, kw_only=True)
class Document:
    """A record as search sees it.

    ``names`` are what people would type to find it: the title of a dish, the dishes of an order.
    ``title`` is its own name and need not be repeated in ``names``: a restaurant is found by its
    own name as well as by its dishes. ``numbers`` and ``also`` find it like its text, and no page
    shows them as its text.
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
    numbers: tuple[str, ...] = ()
    """Its ids, phones, table and amounts, as people type them."""
    also: tuple[str, ...] = ()
    """What it is called by and does not write itself: its state and type in other languages."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What it can be filtered by: ``state``, ``channel``, ``amount``, … No personal data: whoever
    may search can try values."""
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
    """The document, if it has a valid id and store, and any text. Raises :class:`RecordRefused`
    with the collection and what is wrong."""
    own, store, title = document.id, document.store, document.title
    wrong = {
        f"a record without an id: {title[:80]!r}": not own.strip(),
        f"id {own[:40]!r}… has over {LONGEST_ID} characters": len(own) > LONGEST_ID,
        f"{store[:80]!r} cannot be the code of a store": "/" in store or len(store) > LONGEST_CODE,
        f"id {own!r} has a character no database keeps": not is_storable(document.key),
        f"record {own!r} has no text to be found by": not any(
            (title.strip(), *document.names, document.text.strip())
        ),
    }
    for why, is_so in wrong.items():
        if is_so:
            raise RecordRefused(f"{collection}: {why}")
    return document


def in_store(document: Document, *, name: str) -> Document:
    """The document, found by its store's code, with and without 店, and by its name, too."""
    if not document.store:
        return document
    own = (document.store, f"{document.store}店", name)
    return replace(document, also=(*document.also, *filter(None, own)))


def bounded(document: Document) -> Document:
    """The document cut to the lengths that are kept, without U+0000 and halves of surrogate pairs.
    A time that cannot be shown in every time zone becomes None."""
    return replace(
        document,
        kind=_cut(document.kind, LONGEST_KIND),
        at=document.at if document.at and EARLIEST <= document.at <= _LATEST else None,
        title=_cut(document.title, LONGEST_NAME),
        names=tuple(_names(document.names)),
        numbers=tuple(_names(document.numbers)),
        also=tuple(_names(document.also)),
        facts=dict(islice(_facts(document.facts), MOST_FACTS)),
        lead=_cut(document.lead, LONGEST_TEXT),
        text=_cut(document.text, LONGEST_TEXT),
    )


def _cut(text: str, longest: int) -> str:
    return storable(text[:longest], " ")


def _names(names: Iterable[str]) -> Iterator[str]:
    """The names up to both limits."""
    left = LONGEST_NAMES
    for number, name in enumerate(names):
        cut = _cut(name, LONGEST_NAME)
        left -= len(cut)
        if left < 0 or number >= MOST_NAMES:
            return
        yield cut


def _facts(facts: Mapping[str, Fact]) -> Iterator[tuple[str, Fact]]:
    """The facts that say something: texts cut, without numbers that no column keeps."""
    for name, value in facts.items():
        if isinstance(value, str):
            if value:
                yield name, _cut(value, LONGEST_KIND)
        elif amount_of(str(value)) is not None:
            yield name, value


# Reading records of different origin, which may name the same field differently: our own rows,
# and what callers of ``index_to_vector_db`` send


_SENTENCE_END = re.compile(r"(?<=[。！？!?])|(?<=\.)\s|\n")


def store_of(record: Mapping[str, Any]) -> str:
    """The code of the record's store, or an empty text."""
    return first_text(record, "store_id", "store")


def first_text(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that is not empty, as text."""
    return next((text for name in names if (text := as_text(record.get(name)))), "")


def as_text(value: Any) -> str:
    """A text or a number as text, without characters that no database keeps. Anything else is
    empty."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return storable(str(value), "").strip()


def stated(
    value: Any, *, without: Collection[str] = (), field: str = ""
) -> Iterator[tuple[str, str]]:
    """All texts and numbers inside a value, in its order, each with the field in which it stands,
    without those in the fields ``without``."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in without:
                yield from stated(inner, without=without, field=name)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from stated(inner, without=without, field=field)
    elif text := as_text(value):
        yield field, text


def texts(value: Any, *, without: Collection[str] = ()) -> Iterator[str]:
    """The same, the texts alone."""
    return (text for _, text in stated(value, without=without))


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
    for value in map(record.get, names):
        with suppress(ValueError):
            found = dt.datetime.fromisoformat(value) if isinstance(value, str) else value
            if isinstance(found, dt.datetime):
                return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
    return None


def first_sentence(text: str) -> str:
    """The text up to the first full stop."""
    return _SENTENCE_END.split(text.strip(), maxsplit=1)[0].strip()


_LONGEST_NUMBER = 40
_DIGIT = re.compile(r"\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:")


def numbers_in(value: Any, *, without: Collection[str] = ()) -> Iterator[str]:
    """The ids, phones and amounts inside a value: all short texts with digits but times. Amounts
    as in :func:`amounts`."""
    for text in texts(value, without=without):
        if len(text) <= _LONGEST_NUMBER and _DIGIT.search(text) and not _MOMENT.match(text):
            yield text
            yield from amounts(text) if "." in text else ()


def amount_of(value: Any) -> Decimal | None:
    """A number that is an amount; None for anything else."""
    try:
        amount = Decimal(as_text(value))
    except InvalidOperation:
        return None
    # Compared, and not computed with: 1e9999999 overflows, and 1e-9999999 is written with as many
    # digits.
    is_plain = amount.is_finite() and int(amount.as_tuple().exponent) >= -MOST_PLACES
    return amount if is_plain and -LARGEST_NUMBER < amount < LARGEST_NUMBER else None


def amounts(value: Any) -> Iterator[str]:
    """An amount as a bill writes it, and as people type it: 46.00 and 46. None for nothing."""
    amount = amount_of(value)
    if not amount:
        return
    plain = format(amount.normalize(), "f")
    _, _, digits = plain.partition(".")
    yield from dict.fromkeys((f"{amount:.{max(2, len(digits))}f}", plain))


def facts_of(**facts: Fact | None) -> dict[str, Fact]:
    """The facts that are known."""
    return {name: value for name, value in facts.items() if value not in (None, "")}


_CODE = re.compile(r"[\w.#/:-]+", re.ASCII)
FEWEST_UNITS = 3
"""A text of fewer words or Chinese characters is near to anything; its words find it."""


def meaning_of(written: Iterable[str]) -> str:
    """The text to embed of a record that is found by its names: what somebody wrote, each text
    once, without words with digits. Names alone have no vector: it would be near to those of all
    other dishes. Nor has a code like ``cash``, or a text so short that it is near to anything."""
    cut = (text[:LONGEST_TEXT] for text in written)
    words = (without_numbers(text).strip() for text in cut if not _CODE.fullmatch(text))
    meaning = "，".join(dict.fromkeys(part for part in words if part))[:LONGEST_TEXT]
    return meaning if len(units(meaning)) >= FEWEST_UNITS else ""


def joined(parts: Iterable[str]) -> str:
    """The parts joined, each once, cut to the length that is searched."""
    return " · ".join(dict.fromkeys(part for part in parts if part))[:LONGEST_TEXT]
