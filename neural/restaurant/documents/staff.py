"""Shifts as documents: found by who works, as what, and when. Pure."""

from collections.abc import Mapping
from typing import Any

from neural.retrieval.collections.documents import Document
from neural.retrieval.collections.reading import (
    first_text,
    joined,
    moment_of,
    own_id,
    store_of,
    texts,
)

NAME = "staff"
_ID = ("id", "shift_id", "code")
_NAME = ("staff_name", "name")
_TIMES = ("starts_at", "at")
_TOLD_OTHERWISE = (*_ID, *_NAME, "store_id", "store", "role")


def document(record: Mapping[str, Any]) -> Document:
    """One person's shift."""
    identity = own_id(record, *_ID, collection=NAME)
    person = first_text(record, *_NAME, "staff_code", "staff_id")
    role = first_text(record, "role")
    return Document(
        id=identity,
        store=store_of(record, collection=NAME),
        kind=role,
        at=moment_of(record, *_TIMES),
        title=person or identity,
        text=joined([role, identity, *texts(record, without=_TOLD_OTHERWISE)]),
    )
