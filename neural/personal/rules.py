"""Masks personal data in JSON values and in texts, by the paths of keys under which values stand.
Imports no Django.

The same value always gets the same mask, and a masked value is not changed by masking it again.
"""

import json
import re
from typing import Any
from urllib.parse import quote, unquote_plus

from neural.personal.keys import LONGEST, KeyRules, Kind, is_code, plain_key
from neural.personal.patterns import HIDDEN, masked, masked_text, names_nobody

MOST = 20_000
"""Keys may come from outside: so many paths are remembered."""
SHORTEST = 6
"""Shorter texts hold no personal data that could be told by its looks."""
_DEEPEST = 12
"""JSON within text within JSON: so often."""


class Place:
    """What is known of one path of keys."""

    __slots__ = ("below", "code", "kind", "path")

    def __init__(self, path: tuple[str, ...], kind: Kind | None, code: bool) -> None:
        self.path, self.kind, self.code = path, kind, code
        self.below: dict[str, Place] = {}


class Places:
    """The paths seen so far, from :attr:`root` on."""

    def __init__(self, rules: KeyRules) -> None:
        self.root = Place((), None, code=False)
        self._rules = rules
        self._remembered = 0

    def below(self, place: Place, key: Any) -> Place:
        """The place under a key."""
        plain = plain_key(str(key))
        path = (*place.path[-8:], plain)
        kind = self._rules.kind_below(path, place.kind)
        found = Place(path, kind, is_code(plain))
        if self._remembered < MOST and len(plain) <= LONGEST:
            place.below[key] = found
            self._remembered += 1
        return found


_FORM = re.compile(r"[\w.\[\]%-]+=[^&\s]*(?:&[\w.\[\]%-]+=[^&\s]*)+")
# Of very many backslashes only the last are the quote's, which each place of the value is compared
# with.
_QUOTED = r"""(?:\\{64})*(?P<quote>\\{0,63}["'])(?P<value>(?:(?!(?P=quote)).)*)"""
_PAIR = re.compile(
    r"""(?<![\w-])(?P<key>[\w-]+)\\*["']?\s*(?:[:=]\s*"""
    + _QUOTED
    + r"""|=(?P<plain>[^\s"',;&(){}\[\]]+))""",
    re.DOTALL,
)
_MAY_HOLD = re.compile("[0-9０-９@＠=:]")


class Redaction:
    """Masks by these patterns of keys, and by what values look like."""

    def __init__(self, rules: KeyRules) -> None:
        self._rules = rules
        self._places = Places(rules)
        self._root = self._places.root

    def value(self, value: Any, *, key: str = "") -> Any:
        """A copy of a JSON value with personal data masked. ``key`` is where it stands."""
        place = self._places.below(self._root, key) if key else self._root
        try:
            return self._walk(value, place)
        except RecursionError:
            return HIDDEN

    def text(self, text: str) -> str:
        """A text with personal data masked: by its looks, and what stands behind a key."""
        return self._text(text, 0)

    def _walk(self, value: Any, place: Place) -> Any:
        if isinstance(value, dict):
            return self._object(value, place)
        if isinstance(value, list | tuple):
            return [self._walk(inner, place) for inner in value]
        return self._leaf(value, place)

    def _object(self, value: dict[Any, Any], place: Place) -> dict[Any, Any]:
        """A copy with masks. Most values are short texts of no special key: they cost no call."""
        known, found = place.below, dict(value)
        for key, inner in value.items():
            there = known.get(key) or self._places.below(place, key)
            if there.kind is not None or type(inner) is not str or len(inner) >= SHORTEST:
                found[key] = self._walk(inner, there)
        return found

    def _leaf(self, value: Any, place: Place) -> Any:
        if place.kind is not None and not names_nobody(value, place.kind):
            return self._of_person(value, place.kind)
        if isinstance(value, str):
            if len(value) < SHORTEST or _MAY_HOLD.search(value) is None:
                return value
            if not place.code:
                return self._text(value, len(place.path))
            # An id may be an e-mail address, but its digits are no phone's.
            return masked_text(value) if "@" in value else value
        if type(value) is int and value > 10**9 and not place.code:
            text = str(value) if value < 10**19 else ""
            return value if masked_text(text) == text else masked(value, Kind.PHONE)
        return value

    def _of_person(self, value: Any, kind: Kind) -> Any:
        """The mask of a value under a personal key."""
        return masked(value, kind)

    def _text(self, text: str, depth: int) -> str:
        for reads in (self._json, self._form):
            if depth < _DEEPEST and (found := reads(text)) is not None:
                return found
        if ":" in text or "=" in text:
            text = _PAIR.sub(self._pair, text)
        return masked_text(text)

    def _json(self, text: str) -> str | None:
        """The same JSON text with masks; None if it is no JSON."""
        if text.lstrip()[:1] not in ("{", "["):
            return None
        try:
            value = json.loads(text)
            changed = self._walk(value, self._root)
            if changed == value:
                return text
            return json.dumps(changed, ensure_ascii=False)
        except (ValueError, RecursionError):
            return None

    def _form(self, text: str) -> str | None:
        """The same body of a form with masks; None if it is no such body."""
        if "&" not in text or not _FORM.fullmatch(text):
            return None
        return "&".join(map(self._form_pair, text.split("&")))

    def _form_pair(self, pair: str) -> str:
        key, _, value = pair.partition("=")
        plain = unquote_plus(unquote_plus(value))  # some platforms encode it twice
        shown = self.value(plain, key=unquote_plus(key))
        return pair if shown == plain else f"{key}={quote(shown, safe='*@ ')}"

    def _pair(self, found: re.Match[str]) -> str:
        kind = self._rules.kind_of((plain_key(found["key"]),))
        group = "value" if found["plain"] is None else "plain"
        if kind is None or found["plain"] == found["key"]:  # a line of code
            return found[0]
        start, end = found.start(group) - found.start(), found.end(group) - found.start()
        return found[0][:start] + str(self._of_person(found[group], kind)) + found[0][end:]
