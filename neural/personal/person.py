"""A person who is to be erased: finds what names the person in values and texts, and takes it out.
Imports no Django.

A document (a payload, the body of a request) that names the person loses all its personal data: an
order that has the phone has the name and the address, too. Of a list of objects only those that
name the person do, unless what is around them does.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import quote, unquote_plus

from neural.personal.keys import KeyRules, Kind, plain_key
from neural.personal.patterns import digits_of, names_nobody

MARK = "[erased]"
"""Stands where a person's data stood."""
_SEPARATOR = r"[ \u00a0\u3000\t.()（）\-‐-―－]?"
_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_ESCAPED = re.compile(r"\\u[0-9a-fA-F]{4}|%[0-9a-fA-F]{2}")
_FORM = re.compile(r"[\w.\[\]%-]+=[^&\s]*(?:&[\w.\[\]%-]+=[^&\s]*)+")
_LAST_DIGITS = re.compile(r".*last(4|four|digits)$")
_DEEPEST = 12


class TooFewDigits(ValueError):
    """A phone number is too short to find one person by it."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """What is known of a person. At least one is given; each finds the person by itself."""

    phone: str = ""
    email: str = ""
    member_id: str = ""
    name: str = ""
    rules: KeyRules = field(repr=False, compare=False)
    mark: str = MARK
    unchanged: frozenset[tuple[str, str]] = frozenset()
    """Plain keys, each with the plain key above it, whose values stay: ids that must stay unique.
    """
    stood_beside: frozenset[str] = frozenset()
    """What stood beside the person in a row. It goes from the texts of each row that names them."""

    @cached_property
    def digits(self) -> str:
        """The phone's digits, without China's country code."""
        digits = digits_of(self.phone).removeprefix("00")
        if len(digits) == 13 and digits.startswith("86"):
            digits = digits[2:]
        if self.phone and len(digits) < 7:
            raise TooFewDigits(f"{self.phone!r} has {len(digits)} digits; a phone has 7 or more")
        return digits

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = list(self._patterns())
        if not parts:
            raise ValueError("nothing is said of the person")
        return re.compile("|".join(parts), re.IGNORECASE)

    def _patterns(self) -> Iterator[str]:
        if self.digits:
            each = _SEPARATOR.join(f"[{one}{one.translate(_WIDE)}]" for one in self.digits)
            yield rf"(?<![0-9０-９])(?:[+＋]|00)?(?:[8８][6６]{_SEPARATOR})?{each}(?![0-9０-９])"
        if self.email:
            yield rf"(?<![\w.+%-]){re.escape(self.email.strip())}(?![\w-])"
        if self.member_id:
            yield rf"(?<![\w-]){re.escape(self.member_id.strip())}(?![\w-])"
        if self.name:
            name = re.escape(self.name.strip())
            yield rf"(?<![a-zA-Z]){name}(?![a-zA-Z])"

    def check(self) -> None:
        """Raise ValueError if nobody can be found by what is known."""
        if self.email and "@" not in self.email:
            raise ValueError(f"{self.email!r} is no e-mail address")
        assert self._pattern

    def may_be_in(self, text: str) -> bool:
        """Whether a text, read as it is stored, may name the person: quick, and sometimes wrong."""
        return bool(self._pattern.search(text) or _ESCAPED.search(text))

    def is_in(self, value: Any, depth: int = 0) -> bool:
        """Whether a JSON value or text names the person."""
        if isinstance(value, str):
            if self._pattern.search(value):
                return True
            if depth > _DEEPEST or not _ESCAPED.search(value):
                return False
            inner = _json(value)
            return self.is_in(unquote_plus(value) if inner is None else inner, depth + 1)
        if isinstance(value, dict):
            return any(self.is_in(each, depth) for each in (*value.values(), *value))
        if isinstance(value, list | tuple):
            return any(self.is_in(each, depth) for each in value)
        return type(value) is int and self._pattern.fullmatch(str(value)) is not None

    def erased(self, value: Any) -> Any:
        """A copy of a JSON value without the person; the value itself if it does not name them."""
        if not self.is_in(value):
            return value
        if isinstance(value, str):
            return self._text(value, 0)
        return self._walk(value, (), all_of_it=self._is_around(value))

    def erased_text(self, text: str) -> str:
        """The text without the person."""
        return self._text(text, 0) if self.is_in(text) else text

    def unchanged_in(self, value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """Those of the paths ``unchanged`` under which the person is named in a JSON value."""
        if isinstance(value, dict):
            for key, inner in value.items():
                yield from self.unchanged_in(inner, (*path[-1:], plain_key(key)))
        elif isinstance(value, list):
            for each in value:
                yield from self.unchanged_in(each, path)
        elif path in self.unchanged:
            if self.is_in(value):
                yield path
        elif isinstance(value, str) and (inner := _json(value)) is not None:
            yield from self.unchanged_in(inner)

    def _is_around(self, value: Any) -> bool:
        """Whether this object names the person outside of the lists of objects in it."""
        if isinstance(value, dict):
            return any(map(self._is_around, (*value.values(), *value)))
        if isinstance(value, list):
            return any(self._is_around(each) for each in value if not isinstance(each, dict))
        return self.is_in(value)

    def _walk(self, value: Any, path: tuple[str, ...], *, all_of_it: bool) -> Any:
        if isinstance(value, dict):
            return {
                self._key(key): self._walk(inner, (*path, plain_key(key)), all_of_it=all_of_it)
                for key, inner in value.items()
            }
        if isinstance(value, list):
            return [self._of_list(each, path, all_of_it) for each in value]
        return self._leaf(value, path, all_of_it)

    def _of_list(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        own = all_of_it or (isinstance(value, dict) and self._is_around(value))
        return self._walk(value, path, all_of_it=own)

    def _key(self, key: str) -> str:
        return self._pattern.sub(self.mark or MARK, key)

    def _leaf(self, value: Any, path: tuple[str, ...], all_of_it: bool) -> Any:
        if value is None or isinstance(value, bool) or path[-2:] in self.unchanged:
            return value
        kind = self._kind(path) if all_of_it and path else None
        if kind and not names_nobody(value, kind):
            return (value and self.mark) if isinstance(value, str) else 0
        if all_of_it and path and _LAST_DIGITS.match(path[-1]) and self._ends_with(value):
            return "" if isinstance(value, str) else 0
        if isinstance(value, str):
            return self._text(value, len(path)) if self.is_in(value) else value
        return 0 if self.is_in(value) else value

    def _kind(self, path: tuple[str, ...]) -> Kind | None:
        kind = None
        for length in range(len(path)):
            kind = self.rules.kind_below(path[: length + 1], kind)
        return kind

    def _ends_with(self, value: Any) -> bool:
        return not self.digits or self.digits.endswith(str(value).zfill(4))

    def _text(self, text: str, depth: int) -> str:
        """Like :meth:`erased_text`, also within JSON and the body of a form."""
        if depth <= _DEEPEST and (inner := _json(text)) is not None:
            shown = self._walk(inner, (), all_of_it=self._is_around(inner))
            return json.dumps(shown, ensure_ascii=False)
        if depth <= _DEEPEST and _is_form(text):
            return "&".join(self._pair(pair, depth) for pair in text.split("&"))
        return self._pattern.sub(self.mark, text)

    def _pair(self, pair: str, depth: int) -> str:
        """A name and a value of a form's body, which names the person somewhere."""
        key, _, value = pair.partition("=")
        plain = unquote_plus(unquote_plus(value))  # some platforms encode it twice
        shown = self._leaf(plain, (plain_key(unquote_plus(key)),), all_of_it=True)
        return pair if shown == plain else f"{key}={quote(str(shown), safe='[]')}"


def is_document(text: str) -> bool:
    """Whether a text is JSON or the body of a form, whose values are told by their keys."""
    return _json(text) is not None or _is_form(text)


def _is_form(text: str) -> bool:
    return "&" in text and _FORM.fullmatch(text) is not None


def _json(text: str) -> Any:
    """The object or list that a text is; None if it is none."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
