"""Personal values of documents that are looked for in other texts, too: finds them, and masks them.
Imports no Django.

**Beside a person.** In the documents that name a person stands a name, an address, another phone.
It is looked for once more, since an error or a task may quote the name alone. But a name may be a
namesake's, and a phone the shop's. So it is taken only where it stands under a personal key or in
running text, within its store, and only if no document has it together with somebody else's phone,
e-mail address or number.

**Known values** are masked wherever they stand in a text. A name looks like any other word, so it
is told by its key alone. Of a run, its arguments say which names its error and its traceback may
quote. The values of a document (:func:`kinds_of`) are found by masking it, so they are what masking
hides by its keys: numbers, and values in JSON, forms and pairs within texts, too.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, fields
from functools import cached_property
from itertools import islice
from typing import Any

from neural.personal.keys import Kind, is_code
from neural.personal.person import MARK, Person, is_document
from neural.personal.rules import Redaction

SHORTEST = 2
"""A name of one character may be a part of any word."""
SHORTEST_ASCII = 4
"""A shorter one is often a code or a word of a traceback: CN, in, 12."""
LONGEST = 300
"""A longer value is no name that an error quotes, and each place of a text is compared with it."""
FEWEST_DIGITS = 5
"""A number with fewer may be that of a line, a port or a table."""
MOST = 100
"""So many values of a row are looked for in others: each place of a text is compared with each."""
_NUMBER = re.compile(r"[+-]?\d*(?:\.\d*)?")
_RUNNING_TEXT = re.compile(
    r".*(error|exception|traceback|message|reason|notes?|remark|comment|answer|text|args|result"
    r"|备注|留言|说明)$"
)
_TELLS_WHO = (Kind.PHONE, Kind.EMAIL, Kind.NUMBER)
_SHORTEST_ADDRESS = 6


class KnownValues:
    """Values that are known to be personal, each with its mask. Those that are too short to be told
    from other words are left out."""

    def __init__(self, masks: Mapping[str, str]) -> None:
        long_enough = (each for each in masks.items() if is_long_enough(each[0]))
        self._masks = dict(islice(long_enough, MOST))
        # As JSON writes them, too: a text may quote a body.
        self._masks |= {json.dumps(value)[1:-1]: mask for value, mask in self._masks.items()}
        longest_first = sorted(self._masks, key=len, reverse=True)
        either = "|".join(map(re.escape, longest_first))
        self._pattern = re.compile(rf"(?<![a-zA-Z0-9])(?:{either})(?![a-zA-Z0-9])")

    def masked(self, value: Any) -> Any:
        """A copy of a JSON value or text with these values masked; a number becomes 0."""
        if not self._masks:
            return value
        if isinstance(value, str):
            return self._pattern.sub(lambda found: self._masks[found[0]], value)
        if isinstance(value, dict):
            return {key: self.masked(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.masked(inner) for inner in value]
        return 0 if type(value) is int and str(value) in self._masks else value


def is_long_enough(value: str) -> bool:
    """Whether a value can be told from other words in any text."""
    if len(value) > LONGEST:
        return False
    if _NUMBER.fullmatch(value):
        return sum(map(str.isdigit, value)) >= FEWEST_DIGITS
    return len(value) >= (SHORTEST_ASCII if value.isascii() else SHORTEST)


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


# Beside a person


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
    return has_number and LONGEST >= len(text) >= _SHORTEST_ADDRESS


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
        identifying = {text for text, kind in kinds.items() if kind in _TELLS_WHO and text != MARK}
        if not any(each and "*" not in each for each in identifying - self.values):
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


def erased_row(person: Person, row: Any) -> Any:
    """A copy of a row without the person, and without what stands beside them in its texts; the row
    itself if it does not name them."""
    if not isinstance(person, Beside) and person.is_in(row):
        row = in_their_rows(person, beside(person, row)).erased(row)
    return person.erased(row)


def in_their_rows(person: Person, values: Set[str] = frozenset()) -> Beside:
    """These values and what stood beside the person elsewhere, to be erased from their own rows."""
    return _InTheirRows(
        of=person,
        values=person.stood_beside | values,
        rules=person.rules,
        mark=person.mark,
        unchanged=person.unchanged,
    )


@dataclass(frozen=True, kw_only=True)
class _InTheirRows(Beside):
    """Here a name is the person's wherever it stands, in a note as in what a line is called: but
    for ids, and for a namesake in a list."""

    def erased(self, value: Any) -> Any:
        return Person.erased(self, value) if self.values else value

    def _of_list(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        is_namesake = isinstance(value, dict) and self.of_somebody_else(value)
        return value if is_namesake else super()._of_list(value, path, all_of_it)

    def _leaf(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        words = str(value)
        is_id = path and is_code(path[-1]) and words.isascii() and len(words.split()) < 2
        return value if is_id else Person._leaf(self, value, path, False)
