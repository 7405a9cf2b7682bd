"""Helpers to read records of different origin, which may name the same field differently. Pure.

Records come from our own rows and from callers of ``index_to_vector_db``.
"""

import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from neural.retrieval.collections.documents import LONGEST_TEXT, UNSTORABLE, RecordRefused
from neural.retrieval.text.tokens import without_numbers

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


def meaning_of(names: Iterable[str], told: Iterable[str]) -> str:
    """The text to embed for a list of names and some more texts, each once. The names are sorted
    and words with digits are removed, so the same dishes in any order give the same text."""
    things = sorted({without_numbers(name).strip() for name in names})
    said = (without_numbers(text).strip() for text in told)
    return "，".join(dict.fromkeys(part for part in (*things, *said) if part))


def joined(parts: Iterable[str]) -> str:
    """The parts joined, each once, cut to the length that is searched."""
    return " · ".join(dict.fromkeys(part for part in parts if part))[:LONGEST_TEXT]
