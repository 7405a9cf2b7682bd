"""An embedder with a cache: dishes recur in orders, and queries while somebody types."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from neural.retrieval.embedders.base import Embedder, Vectors

KEPT_BYTES = 32 * 1024 * 1024
"""The size of the cache: about 14,000 vectors of 512 numbers, in each process that embeds."""
LONGEST_KEPT = 200
"""Texts with more characters are not cached, as they seldom recur."""
_ENTRY_BYTES = 250
"""What Python adds to a text and its vector."""


class Remembered(Embedder):
    """Caches the vectors that another embedder made for the latest texts. Threads may share it.

    A text that occurs several times in one call is embedded once.
    """

    def __init__(self, embedder: Embedder, *, kept_bytes: int = KEPT_BYTES) -> None:
        self.embedder = embedder
        self._left = kept_bytes
        self._kept: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.embedder.name

    @property
    def dimensions(self) -> int:
        return self.embedder.dimensions

    def embed(self, texts: Sequence[str]) -> Vectors:
        distinct = list(dict.fromkeys(texts))
        known = self._recall(distinct)
        missing = [text for text in distinct if text not in known]
        if missing:
            fresh = dict(zip(missing, self.embedder.embed(missing), strict=True))
            self._keep(fresh)
            known |= fresh
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.stack([known[text] for text in texts])

    def _recall(self, texts: list[str]) -> dict[str, Vectors]:
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
            for text in known:
                self._kept.move_to_end(text)
        return known

    def _keep(self, fresh: dict[str, Vectors]) -> None:
        with self._lock:
            for text, vector in fresh.items():
                if len(text) <= LONGEST_KEPT and text not in self._kept:
                    # A copy, because a row of the batch would keep the whole batch in memory.
                    self._kept[text] = vector.copy()
                    self._left -= _weight(text, vector)
            while self._left < 0:
                self._left += _weight(*self._kept.popitem(last=False))


def _weight(text: str, vector: Vectors) -> int:
    return sys.getsizeof(text) + vector.nbytes + _ENTRY_BYTES
