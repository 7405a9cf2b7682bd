"""Finds the personal values of a document: what masking it would mask by its keys.
Imports no Django.

It reads by masking, so it reads the same: numbers, and JSON, forms and pairs within texts.
"""

import copy
from typing import Any

from neural.personal.keys import Kind
from neural.personal.rules import Redaction


def kinds_of(redaction: Redaction, document: Any) -> dict[str, Kind]:
    """The values of a JSON value that stand under a personal key, as text, each with its kind.
    Values beyond a place that is nested too deep are left out."""
    recording = _Recording(redaction)
    recording.value(document)
    return recording.found


class _Recording(Redaction):
    """Masks like another redaction, and keeps each value that it masks by its key."""

    def __init__(self, like: Redaction) -> None:
        self.__dict__ = copy.copy(like.__dict__)  # the same places: those known are not read anew
        self.found: dict[str, Kind] = {}

    def _of_person(self, value: Any, kind: Kind) -> Any:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            self.found[str(value).strip()] = kind
        return super()._of_person(value, kind)
