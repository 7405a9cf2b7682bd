"""What stands beside a person in the documents that name the person: a name, an address, another
phone. Imports no Django.

It is looked for once more, since an error or a task may quote the name alone. But a name may be a
namesake's, and a phone the shop's. So it is taken only where it stands under a personal key or in
running text, within its store, and only if no document has it together with somebody else's phone,
e-mail address or number.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

from neural.personal.keys import Kind
from neural.personal.known import is_long_enough
from neural.personal.person import MARK, Person, is_document
from neural.personal.recording import kinds_of
from neural.personal.rules import Redaction

_RUNNING_TEXT = re.compile(
    r".*(error|exception|traceback|message|reason|notes?|remark|comment|answer|text|args|result"
    r"|备注|留言|说明)$"
)
_TELLS_WHO = (Kind.PHONE, Kind.EMAIL, Kind.NUMBER)
_SHORTEST_ADDRESS = 6


def beside(person: Person, value: Any) -> set[str]:
    """What stands beside the person in a JSON value and is worth to be looked for."""
    noting = _Noting(**{each.name: getattr(person, each.name) for each in fields(person)})
    noting.erased(value)
    return {each for each in noting.found if not person.is_in(each)}


@dataclass(frozen=True, kw_only=True)
class _Noting(Person):
    found: set[str] = field(default_factory=set)

    def _leaf(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        kind = self.rules.kind_of(path) if all_of_it and path else None
        if kind and type(value) in (str, int) and _is_telling(text := str(value).strip(), kind):
            self.found.add(text)
        return super()._leaf(value, path, all_of_it)


def _is_telling(text: str, kind: Kind) -> bool:
    """Whether a text is found by itself: no mask, no ``dine-in`` where an address is expected."""
    if "*" in text or text == MARK:
        return False
    if kind is not Kind.TEXT:
        return is_long_enough(text)
    has_number = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return has_number and len(text) >= _SHORTEST_ADDRESS


@dataclass(frozen=True, kw_only=True)
class Beside(Person):
    """What stood beside a person, looked for and erased in place of the person."""

    of: Person
    values: frozenset[str]

    def _patterns(self) -> Iterator[str]:
        either = "|".join(map(re.escape, sorted(self.values, key=len, reverse=True)))
        yield rf"(?<![a-zA-Z0-9])(?:{either})(?![a-zA-Z0-9])"

    @cached_property
    def _redaction(self) -> Redaction:
        return Redaction(self.rules)

    def of_somebody_else(self, value: Any) -> set[str]:
        """Those of the values that a JSON value has together with what tells somebody else."""
        if not self.is_in(value) or self.of.is_in(value):
            return set()
        kinds = kinds_of(self._redaction, value)
        told = {text for text, kind in kinds.items() if kind in _TELLS_WHO and text != MARK}
        if not any(each and "*" not in each for each in told - self.values):
            return set()
        text = json.dumps(value, ensure_ascii=False, default=str)
        return {each for each in self.values if each in text}

    def erased(self, value: Any) -> Any:
        """A copy of a JSON value without the values; itself if it names the person."""
        return value if self.of.is_in(value) else super().erased(value)

    def _is_around(self, value: Any) -> bool:
        return False

    def _key(self, key: str) -> str:
        return key

    def _leaf(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        where = path and (self._kind(path) or _RUNNING_TEXT.match(path[-1]))
        if where or (isinstance(value, str) and is_document(value)):
            return super()._leaf(value, path, False)
        return value
