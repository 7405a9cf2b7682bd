"""Orders, dishes and shifts as documents for search. Pure."""

import datetime as dt
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any

from neural.retrieval.collections.documents import (
    Document,
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

ORDERS = "orders"

_ID = ("id", "order_id", "number")
_NUMBER = ("number", "ticket")
_LINES = ("lines", "items", "dishes")
_TIMES = ("placed_at", "created_at", "occurred_at", "at")
_NAMED_FIELDS = (*_ID, *_LINES, *_TIMES, "store_id", "store", "state", "status", "currency")
_FACTS = (
    *("ticket", "till", "day", "business_day", "total", "bill", "channel", "table", "guests"),
    *("platform", "platform_number", "member", "staff", "invoice", "phone_last4"),
    *("promised_at", "closed_at", "split_from", "replaces"),
)
_CHANNELS = {
    "dine_in": "dine-in 堂食",
    "takeaway": "takeaway 自取 外带",
    "delivery": "delivery 外卖 外送",
}


def order(record: Mapping[str, Any]) -> Document:
    """The document of an order, found by its number, dishes and notes, and by what people know of
    an order: its table, day, total, coupons, platform, guest and staff. Its lines are under
    ``lines``, ``items`` or ``dishes``; each is a name or a mapping with one."""
    lines = listed(record, *_LINES)
    dishes, facts, others = named(lines), list(_named_facts(record)), list(_other_texts(record))
    return Document(
        id=own_id(record, *_ID, collection=ORDERS),
        store=store_of(record, collection=ORDERS),
        kind=first_text(record, "state", "status"),
        at=moment_of(record, *_TIMES),
        title=first_text(record, *_NUMBER) or own_id(record, *_ID, collection=ORDERS),
        names=tuple(dict.fromkeys([*dishes, *facts])),
        text=joined([*map(_line, lines), *others, *_words_of_facts(record), *facts]),
        meaning=meaning_of(dishes, [*chain.from_iterable(map(_notes, lines)), *others]),
    )


def _other_texts(record: Mapping[str, Any]) -> Iterator[str]:
    """What else an order says, its note above all."""
    other = {name: value for name, value in record.items() if name not in _FACTS}
    yield from texts(other, without=_NAMED_FIELDS)


def _named_facts(record: Mapping[str, Any]) -> Iterator[str]:
    """What an order is known by besides its number and its dishes, as people would type it."""
    if record.get("order_id") != record.get("number"):
        yield from texts(record.get("order_id"))
    for table in texts(record.get("table")):
        yield from (f"table {table}", f"{table}号桌")
    yield from _days(record.get("business_day"))
    for entry in listed(record, "bill"):
        if isinstance(entry, Mapping):
            yield from filter(None, (first_text(entry, "name"), first_text(entry, "code")))
    for name in ("platform", "platform_number", "member", "staff", "invoice"):
        yield from texts(record.get(name))
    for digits in texts(record.get("phone_last4")):
        yield from (digits, f"尾号{digits}")


def _words_of_facts(record: Mapping[str, Any]) -> Iterator[str]:
    """Facts whose words are found, but by which no order is known."""
    channel = as_text(record.get("channel"))
    yield from filter(None, (_CHANNELS.get(channel, channel), as_text(record.get("till"))))
    yield from _amounts(record.get("total"))


def _amounts(value: Any) -> Iterator[str]:
    """An amount as a bill writes it, and as people type it: 46.00 and 46. None for nothing."""
    try:
        amount = Decimal(as_text(value))
    except InvalidOperation:
        return
    if not amount:
        return
    plain = format(amount.normalize(), "f")
    _, _, digits = plain.partition(".")
    yield from dict.fromkeys((f"{amount:.{max(2, len(digits))}f}", plain))


def _days(value: Any) -> Iterator[str]:
    """A date as ISO 8601 writes it, and in Chinese. As names, because the words of a date are parts
    of many numbers."""
    try:
        day = dt.date.fromisoformat(as_text(value))
    except ValueError:
        return
    yield from (day.isoformat(), f"{day.month}月{day.day}日")


def _line(line: Any) -> str:
    """The text of a line: its name, quantity and notes."""
    if not isinstance(line, Mapping):
        return as_text(line)
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    count = first_text(line, "quantity", "count")
    text = f"{name} ×{count}" if count else name
    return " ".join([text, *_notes(line)])


_OF_LINE = (
    *("price", "discount", "amount", "tax"),
    *("line_id", "parent", "role", "state"),
)


def _notes(line: Any) -> list[str]:
    """The text of a line besides its name, quantity and price."""
    if not isinstance(line, Mapping):
        return []
    own = ("name", "title", "dish_name", "item", "quantity", "count", *_OF_LINE)
    name = first_text(line, "name", "title", "dish_name", "dish", "item")
    return [text for text in texts(line, without=own) if text != name]


__all__ = ["DISHES", "ORDERS", "SHIFTS", "dish", "order", "shift"]

DISHES, SHIFTS = "dishes", "staff"

_DISH_ID = ("id", "dish", "code", "dish_id")
_DISH_TITLE = ("title", "name")
_DISH_DESCRIPTION = ("description", "details")
_DISH_TIMES = ("updated_at", "at")
_DISH_FIELDS = (
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
        text=joined([category, description, *texts(record, without=_DISH_FIELDS)]),
    )


_SHIFT_ID = ("id", "shift_id", "code")
_SHIFT_NAME = ("staff_name", "name")
_SHIFT_TIMES = ("starts_at", "at")
_SHIFT_FIELDS = (*_SHIFT_ID, *_SHIFT_NAME, "store_id", "store", "role")


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
        text=joined([role, identity, *texts(record, without=_SHIFT_FIELDS)]),
    )
