"""The beginning of a JSON value, small enough to be masked in the path of every message.

A message shows 200 characters of its arguments. The rest is left out before they are masked and not
after: to mask 256 KB took 23 to 89 ms.
"""

from typing import Any

LONGEST = 1000
"""Characters in all. More than are shown, because masks are shorter than what they hide."""
DEEPEST = 20
LEFT_OUT = "…"
_OF_EACH = 2
"""What each value counts besides its own characters: those between two values."""


def excerpt_of(value: Any) -> Any:
    """A copy of a JSON value of which what exceeds the limits is left out.

    A text is kept whole or not at all: the half of a phone or of a JSON document would no longer be
    recognised as personal.
    """
    return _Excerpt().of(value, 0)


class _Excerpt:
    def __init__(self) -> None:
        self._left = LONGEST

    def of(self, value: Any, depth: int) -> Any:
        """The value, as far as there is room for it, in reading order."""
        self._left -= _OF_EACH
        if isinstance(value, str):
            return value if self._takes(value) else LEFT_OUT
        if not isinstance(value, dict | list | tuple):
            return value
        if depth == DEEPEST and value:
            return LEFT_OUT
        return self._object(value, depth) if isinstance(value, dict) else self._list(value, depth)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[Any, Any]:
        found = {}
        for key, inner in value.items():
            if self._left <= 0 or not self._takes(str(key)):  # what a key names is not known then
                found[LEFT_OUT] = LEFT_OUT
                break
            found[key] = self.of(inner, depth + 1)
        return found

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        found = []
        for inner in value:
            if self._left <= 0:
                found.append(LEFT_OUT)
                break
            found.append(self.of(inner, depth + 1))
        return found

    def _takes(self, text: str) -> bool:
        """Whether there is room for a text, which it then takes."""
        if len(text) > self._left:
            return False
        self._left -= len(text)
        return True
