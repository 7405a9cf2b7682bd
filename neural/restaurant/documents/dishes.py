"""Dishes as documents: found by their title, what is in them and what they are like. Pure."""

from collections.abc import Mapping
from typing import Any

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

NAME = "dishes"
_ID = ("id", "dish", "code", "dish_id")
_TITLE = ("title", "name")
_DESCRIPTION = ("description", "details")
_TIMES = ("updated_at", "at")
_TOLD_OTHERWISE = (
    *_ID,
    *_TITLE,
    *_TIMES,
    *("store_id", "store", "category", "description", "price", "currency", "available"),
)


def document(record: Mapping[str, Any]) -> Document:
    """A dish; what else is said of it (ingredients, allergens, …) is searched as well."""
    description = first_text(record, *_DESCRIPTION)
    identity = own_id(record, *_ID, collection=NAME)
    category = first_text(record, "category")
    return Document(
        id=identity,
        store=store_of(record, collection=NAME),
        kind=category,
        at=moment_of(record, *_TIMES),
        title=first_text(record, *_TITLE) or identity,
        lead=first_sentence(description),
        text=joined([category, description, *texts(record, without=_TOLD_OTHERWISE)]),
    )
