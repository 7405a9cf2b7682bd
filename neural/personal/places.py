"""Where values stand in documents: the paths of keys, and what is known of each.
Imports no Django."""

from typing import Any

from neural.personal.keys import KeyRules, Kind, is_code, plain_key

MOST = 20_000
"""Keys may come from outside: so many paths are remembered."""


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
        if self._remembered < MOST:
            place.below[key] = found
            self._remembered += 1
        return found
