"""Orders, dishes and shifts as documents for search. Pure."""

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import chain
from typing import Any

from neural.retrieval.collections.documents import (
    Document,
    amount_of,
    amounts,
    as_text,
    facts_of,
    first_sentence,
    first_text,
    joined,
    listed,
    meaning_of,
    moment_of,
    named,
    store_of,
    texts,
)
from neural.retrieval.collections.trade import called

ORDERS = "orders"

_ID = ("id", "order_id", "number")
_NUMBER = ("number", "ticket")
_LINES = ("lines", "items", "dishes")
_TIMES = ("placed_at", "created_at", "occurred_at", "at")
_STATES = ("settled", "status")
_NAMED_FIELDS = (*_ID, *_LINES, *_TIMES, "store_id", "store", "state", "currency", *_STATES)
_FACTS = (
    *("ticket", "till", "day", "business_day", "total", "bill", "channel", "table", "guests"),
    *("platform", "platform_number", "member", "staff", "invoice", "phone_last4"),
    *("promised_at", "closed_at", "split_from", "replaces", "tenders"),
)


def order(record: Mapping[str, Any]) -> Document:
    """The document of an order, found by its number, dishes and notes, and by what people know of
    an order: its table, day, total, coupons, channel, platform, state, guest and staff. Its lines
    are under ``lines``, ``items`` or ``dishes``; each is a name or a mapping with one."""
    lines = listed(record, *_LINES)
    dishes, known, others = named(lines), list(_known_by(record)), list(_other_texts(record))
    numbers = tuple(dict.fromkeys((*_numbers(record), *_places(record))))
    channel, platform, table, till, settled, status = (
        as_text(record.get(name)) for name in ("channel", "platform", "table", "till", *_STATES)
    )
    state = first_text(record, "state", "status")
    tenders = tuple(texts(record.get("tenders")))
    return Document(
        id=first_text(record, *_ID),
        store=store_of(record),
        kind=state,
        at=moment_of(record, *_TIMES),
        title=first_text(record, *_NUMBER, *_ID),
        names=tuple(dict.fromkeys([*dishes, *known])),
        numbers=numbers,
        also=(*_places(record), *called(state, status, settled, channel, platform, *tenders)),
        facts=facts_of(
            state=status or state,
            payment=settled,
            channel=channel,
            platform=platform,
            table=table,
            till=till,
            tender=next(iter(tenders), ""),
            amount=amount_of(record.get("total")),
        ),
        text=joined([*map(_line, lines), *others, *known, *numbers]),
        meaning=meaning_of([*chain.from_iterable(map(_notes, lines)), *others]),
    )


def _other_texts(record: Mapping[str, Any]) -> Iterator[str]:
    """What else an order says, its note above all."""
    other = {name: value for name, value in record.items() if name not in _FACTS}
    yield from texts(other, without=_NAMED_FIELDS)


def _known_by(record: Mapping[str, Any]) -> Iterator[str]:
    """What an order is known by besides its number and its dishes: its day, coupons, platform and
    people. A day is a name, because the words of a date are parts of many numbers."""
    with suppress(ValueError):
        day = dt.date.fromisoformat(as_text(record.get("business_day")))
        yield from (day.isoformat(), f"{day.month}月{day.day}日")
    for entry in listed(record, "bill"):
        if isinstance(entry, Mapping):
            yield from filter(None, (first_text(entry, "name"), first_text(entry, "code")))
    for name in ("platform", "member", "staff", "invoice"):
        yield from texts(record.get(name))


def _numbers(record: Mapping[str, Any]) -> Iterator[str]:
    """Its numbers besides its title, as people type them."""
    if record.get("order_id") != record.get("number"):
        yield from texts(record.get("order_id"))
    for name in ("platform_number", "table", "till", "phone_last4"):
        yield from texts(record.get(name))
    yield from amounts(record.get("total"))


def _places(record: Mapping[str, Any]) -> Iterator[str]:
    """Its table and phone in the words of people."""
    for table in texts(record.get("table")):
        yield from (f"table {table}", f"{table}号桌", f"{table}桌")
    for digits in texts(record.get("phone_last4")):
        yield f"尾号{digits}"


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
    identity = first_text(record, *_DISH_ID)
    category = first_text(record, "category")
    return Document(
        id=identity,
        store=store_of(record),
        kind=category,
        at=moment_of(record, *_DISH_TIMES),
        title=first_text(record, *_DISH_TITLE) or identity,
        numbers=(identity, *amounts(record.get("price"))),
        facts=facts_of(type=category, amount=amount_of(record.get("price"))),
        lead=first_sentence(description),
        text=joined([category, description, *texts(record, without=_DISH_FIELDS)]),
    )


_SHIFT_ID = ("id", "shift_id", "code")
_SHIFT_NAME = ("staff_name", "name")
_SHIFT_TIMES = ("starts_at", "at")
_SHIFT_FIELDS = (*_SHIFT_ID, *_SHIFT_NAME, "store_id", "store", "role")


def shift(record: Mapping[str, Any]) -> Document:
    """The document of one person's shift, found by name, role and time."""
    identity = first_text(record, *_SHIFT_ID)
    person = first_text(record, *_SHIFT_NAME, "staff_code", "staff_id")
    role = first_text(record, "role")
    return Document(
        id=identity,
        store=store_of(record),
        kind=role,
        at=moment_of(record, *_SHIFT_TIMES),
        title=person or identity,
        numbers=tuple(filter(None, (identity, first_text(record, "staff_code", "staff_id")))),
        also=called(role, "staff.scheduled")[1:],
        facts=facts_of(type=role),
        text=joined([role, identity, *texts(record, without=_SHIFT_FIELDS)]),
    )
