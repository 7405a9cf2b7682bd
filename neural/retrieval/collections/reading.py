"""Reading records of many makers: the same thing under several names, text inside of lists.

Pure. Records come from our own rows and from whoever hands them in (``index_to_vector_db``).
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
    """The record's id, under the first of these names that it has."""
    found = first_text(record, *names)
    if not found:
        raise RecordRefused(f"{collection}: a record without an id: it has no {names[0]!r}")
    if len(found) > LONGEST_ID:
        raise RecordRefused(f"{collection}: id {found[:40]!r}… has over {LONGEST_ID} characters")
    return found


def store_of(record: Mapping[str, Any], *, collection: str) -> str:
    """The code of the record's store, or nothing."""
    code = first_text(record, "store_id", "store")
    if "/" in code or len(code) > 64:
        raise RecordRefused(f"{collection}: {code[:80]!r} cannot be the code of a store")
    return code


def first_text(record: Mapping[str, Any], *names: str) -> str:
    """The first of these fields that says anything, as text."""
    return next((text for name in names if (text := as_text(record.get(name)))), "")


def as_text(value: Any) -> str:
    """A text or a number, cleaned of what no database keeps; anything else is no text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return UNSTORABLE.sub("", str(value)).strip()


def texts(value: Any, *, without: Iterable[str] = ()) -> Iterator[str]:
    """Every text and number inside of a value, in its order; fields ``without`` are left out."""
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
    """The first of these fields that has items; a text is one item."""
    for name in names:
        value = record.get(name)
        items = list(value) if isinstance(value, list | tuple) else [as_text(value)]
        if any(items):
            return items
    return []


def named(items: Iterable[Any]) -> list[str]:
    """What the items of a list are called: each a text, or a mapping with a name."""
    found = (
        first_text(each, "name", "title", "dish_name", "dish", "item")
        if isinstance(each, Mapping)
        else as_text(each)
        for each in items
    )
    return list(dict.fromkeys(name for name in found if name))


def moment_of(record: Mapping[str, Any], *names: str) -> dt.datetime | None:
    """The first of these fields that is a time, in UTC where it names no zone."""
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
    """Up to the first full stop."""
    return _SENTENCE_END.split(text.strip(), maxsplit=1)[0].strip()


def meaning_of(names: Iterable[str], told: Iterable[str]) -> str:
    """What to embed of a list of things and what is said beside: each once, names in one order,
    without words that hold a digit. So the same dishes are the same text in every order."""
    things = sorted({without_numbers(name).strip() for name in names})
    said = (without_numbers(text).strip() for text in told)
    return "，".join(dict.fromkeys(part for part in (*things, *said) if part))


def joined(parts: Iterable[str]) -> str:
    """Parts one after the other, each once, cut to what is searched."""
    return " · ".join(dict.fromkeys(part for part in parts if part))[:LONGEST_TEXT]
