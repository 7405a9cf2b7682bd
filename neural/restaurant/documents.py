"""Orders, dishes and shifts as documents for search. Pure."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.reading import (
    as_text,
    first_sentence,
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

ORDERS, DISHES, SHIFTS = "orders", "dishes", "staff"

_ORDER_ID = ("id", "order_id", "number")
_ORDER_LINES = ("lines", "items", "dishes")
_ORDER_TIMES = ("placed_at", "created_at", "occurred_at", "at")
_ORDER_TOLD_OTHERWISE = (
    *_ORDER_ID,
    *_ORDER_LINES,
    *_ORDER_TIMES,
    "store_id",
    "store",
    "state",
    "status",
    "currency",
)


def order(record: Mapping[str, Any]) -> Document:
    """The document of an order, found by its number, dishes and notes. Its lines are under
    ``lines``, ``items`` or ``dishes``; each is a name or a mapping with one."""
    lines = listed(record, *_ORDER_LINES)
    names, told = named(lines), list(texts(record, without=_ORDER_TOLD_OTHERWISE))
    return Document(
        id=own_id(record, *_ORDER_ID, collection=ORDERS),
        store=store_of(record, collection=ORDERS),
        kind=first_text(record, "state", "status"),
        at=moment_of(record, *_ORDER_TIMES),
        title=own_id(record, *_ORDER_ID, collection=ORDERS),
        names=tuple(names),
        text=joined([*map(_line, lines), *told]),
        meaning=meaning_of(names, [*chain.from_iterable(map(_notes, lines)), *told]),
    )


def _line(line: Any) -> str:
    """The text of a line: its name, quantity and notes."""
    if not isinstance(line, Mapping):
        return as_text(line)
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    count = first_text(line, "quantity", "count")
    said = f"{name} ×{count}" if count else name
    return " ".join([said, *_notes(line)])


def _notes(line: Any) -> list[str]:
    """The text of a line besides its name, quantity and price."""
    if not isinstance(line, Mapping):
        return []
    told = ("name", "title", "dish_name", "item", "quantity", "count", "price", "amount")
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    return [text for text in texts(line, without=told) if text != name]


_DISH_ID = ("id", "dish", "code", "dish_id")
_DISH_TITLE = ("title", "name")
_DISH_DESCRIPTION = ("description", "details")
_DISH_TIMES = ("updated_at", "at")
_DISH_TOLD_OTHERWISE = (
    *_DISH_ID,
    *_DISH_TITLE,
    *_DISH_TIMES,
    *("store_id", "store", "category", "description", "price", "currency", "available"),
)


def dish(record: Mapping[str, Any]) -> Document:
    """The document of a dish, found by its title, its description and all other text (ingredients,
    allergens, …)."""
    description = first_text(record, *_DISH_DESCRIPTION)
    identity = own_id(record, *_DISH_ID, collection=DISHES)
    category = first_text(record, "category")
    return Document(
        id=identity,
        store=store_of(record, collection=DISHES),
        kind=category,
        at=moment_of(record, *_DISH_TIMES),
        title=first_text(record, *_DISH_TITLE) or identity,
        lead=first_sentence(description),
        text=joined([category, description, *texts(record, without=_DISH_TOLD_OTHERWISE)]),
    )


_SHIFT_ID = ("id", "shift_id", "code")
_SHIFT_NAME = ("staff_name", "name")
_SHIFT_TIMES = ("starts_at", "at")
_SHIFT_TOLD_OTHERWISE = (*_SHIFT_ID, *_SHIFT_NAME, "store_id", "store", "role")


def shift(record: Mapping[str, Any]) -> Document:
    """The document of one person's shift, found by name, role and time."""
    identity = own_id(record, *_SHIFT_ID, collection=SHIFTS)
    person = first_text(record, *_SHIFT_NAME, "staff_code", "staff_id")
    role = first_text(record, "role")
    return Document(
        id=identity,
        store=store_of(record, collection=SHIFTS),
        kind=role,
        at=moment_of(record, *_SHIFT_TIMES),
        title=person or identity,
        text=joined([role, identity, *texts(record, without=_SHIFT_TOLD_OTHERWISE)]),
    )
