"""The index in which a collection is searched now, and what is needed to ask it."""

from dataclasses import dataclass

from neural.models import SearchIndex
from neural.vectors.embedders.base import Embedder
from neural.vectors.stores.base import Shape, VectorStore


@dataclass(frozen=True, kw_only=True)
class ActiveIndex:
    """Where to look, and how."""

    index: SearchIndex
    store: VectorStore
    shape: Shape
    embedder: Embedder | None
    """None: its vectors are of another model than the settings', so that meaning is left out."""
    notices: tuple[str, ...] = ()
    """What the person who searches should know, like that and what to do."""


def active_index(collection: str) -> ActiveIndex | None:
    """The index of a collection; None if nothing was indexed yet."""
    raise NotImplementedError
