"""For how long something has stayed the same, as this process itself has seen it.

Whether a worker is silent, or a run stands for too long, is judged by no clock: hosts differ,
and any clock may be set while one looks, the database's as well. A relay looks again and again,
and counts on its own monotonic clock for how long it has seen the same value.
"""

import math
import time
from collections.abc import Hashable, Mapping


class Watch:
    """What one relay has seen, by key.

    ``longest_gap``: of a longer time between two looks only so many seconds count. Whoever
    could not look, because the database was away, does not know what happened meanwhile.
    """

    def __init__(self) -> None:
        self._seconds = 0.0
        self._looked_at: float | None = None
        self._seen: dict[int, tuple[Hashable, float]] = {}

    def look(
        self, values: Mapping[int, Hashable], *, longest_gap: float = math.inf
    ) -> Mapping[int, float]:
        """For how many seconds each has had the value that it has now; what is not among
        ``values`` is forgotten."""
        now = time.monotonic()
        if self._looked_at is not None:
            self._seconds += min(now - self._looked_at, longest_gap)
        self._looked_at = now
        before, self._seen = self._seen, {}
        for key, value in values.items():
            known, since = before.get(key, (value, self._seconds))
            self._seen[key] = (value, since if known == value else self._seconds)
        return {key: self._seconds - since for key, (_, since) in self._seen.items()}
