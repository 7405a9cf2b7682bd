"""Orders as documents: found by their number, their dishes, and whatever was noted. Pure."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.reading import (
    as_text,
    first_text,
    joined,
    listed,
    meaning_of,
    moment_of,
    named,
    own_id,
    store_of,
    texts,
)

NAME = "orders"
_ID = ("id", "order_id", "number")
_LINES = ("lines", "items", "dishes")
_TIMES = ("placed_at", "created_at", "occurred_at", "at")
_TOLD_OTHERWISE = (*_ID, *_LINES, *_TIMES, "store_id", "store", "state", "status", "currency")


def document(record: Mapping[str, Any]) -> Document:
    """An order; its lines under ``lines`` or ``items``, each a name or a mapping with one."""
    lines = listed(record, *_LINES)
    names, told = named(lines), list(texts(record, without=_TOLD_OTHERWISE))
    return Document(
        id=own_id(record, *_ID, collection=NAME),
        store=store_of(record, collection=NAME),
        kind=first_text(record, "state", "status"),
        at=moment_of(record, *_TIMES),
        title=own_id(record, *_ID, collection=NAME),
        names=tuple(names),
        text=joined([*map(_line, lines), *told]),
        meaning=meaning_of(names, [*chain.from_iterable(map(_notes, lines)), *told]),
    )


def _line(line: Any) -> str:
    """What a line says: its name, how many, and its notes."""
    if not isinstance(line, Mapping):
        return as_text(line)
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    count = first_text(line, "quantity", "count")
    said = f"{name} ×{count}" if count else name
    return " ".join([said, *_notes(line)])


def _notes(line: Any) -> list[str]:
    """What a line says beside its name, how many and how much."""
    if not isinstance(line, Mapping):
        return []
    told = ("name", "title", "dish_name", "item", "quantity", "count", "price", "amount")
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    return [text for text in texts(line, without=told) if text != name]
