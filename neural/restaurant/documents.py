"""Orders, dishes and shifts as documents for search. Pure."""

from collections.abc import Mapping
from typing import Any

from neural.restaurant.order_documents import ORDERS, order
from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.reading import (
    first_sentence,
    first_text,
    joined,
    moment_of,
    own_id,
    store_of,
    texts,
)

__all__ = ["DISHES", "ORDERS", "SHIFTS", "dish", "order", "shift"]

DISHES, SHIFTS = "dishes", "staff"

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
