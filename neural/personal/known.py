"""Masks, wherever they stand in a text, values that are known to be personal. Imports no Django.

A name looks like any other word, so it is told by its key alone. Of a run, its arguments say which
names its error and its traceback may quote.
"""

import json
import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

SHORTEST = 2
"""A name of one character may be a part of any word."""
SHORTEST_ASCII = 4
"""A shorter one is often a code or a word of a traceback: CN, in, 12."""
FEWEST_DIGITS = 5
"""A number with fewer may be that of a line, a port or a table."""
MOST = 100
"""So many values are looked for: each place of a text is compared with each of them."""
_NUMBER = re.compile(r"[+-]?\d*\.?\d*")


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
    if _NUMBER.fullmatch(value):
        return sum(map(str.isdigit, value)) >= FEWEST_DIGITS
    return len(value) >= (SHORTEST_ASCII if value.isascii() else SHORTEST)
