"""What a ``/v1/embeddings`` server answered, checked. Pure.

https://platform.openai.com/docs/api-reference/embeddings/create
"""

import json
from typing import Any

import numpy as np

from neural.retrieval.embedders.base import EmbedderRefused, Vectors

LONGEST_MESSAGE = 300


def vectors_of(body: bytes, *, count: int, dimensions: int) -> Vectors:
    """The vectors in the order of the texts, whatever the order of the answer."""
    entries = _entries(body)
    if len(entries) != count:
        raise EmbedderRefused(f"the server answered {len(entries)} vectors for {count} texts")
    placed = _by_place(entries)
    if placed.keys() != set(range(count)):
        raise EmbedderRefused(f"the server's indexes are not those of {count} texts")
    return np.stack([_vector(placed[place], dimensions) for place in range(count)])


def message_of(body: bytes, *, secret: str = "") -> str:
    """What a server says went wrong, in the forms in use, on one short line without the secret."""
    line = " ".join(_said(body.decode("utf-8", "replace")).split())
    return (line.replace(secret, "***") if secret else line)[:LONGEST_MESSAGE] or "no message"


def _said(text: str) -> str:
    """The innermost message; all of a text that is not JSON or of an unknown form."""
    try:
        said = json.loads(text)
        while isinstance(said, dict):
            said = next(said[key] for key in ("error", "message", "detail") if key in said)
    except (ValueError, StopIteration):
        return text
    return str(said)


def _entries(body: bytes) -> list[Any]:
    try:
        entries = json.loads(body)["data"]
    except (ValueError, TypeError, KeyError):
        entries = None
    if not isinstance(entries, list):
        raise EmbedderRefused("the answer is not one of /v1/embeddings: see whether url is right")
    return entries


def _by_place(entries: list[Any]) -> dict[int, Any]:
    try:
        return {each.get("index", place): each["embedding"] for place, each in enumerate(entries)}
    except (AttributeError, KeyError, TypeError):
        raise EmbedderRefused("the server's answer has an entry without embedding") from None


def _vector(numbers: Any, dimensions: int) -> Vectors:
    try:
        with np.errstate(over="ignore"):
            vector = np.array(numbers, dtype=np.float32)
    except (ValueError, TypeError):
        raise EmbedderRefused("a vector of the server is no list of numbers") from None
    if vector.shape != (dimensions,):
        raise EmbedderRefused(
            f"the server's vectors have {vector.size} numbers, not {dimensions}:"
            " correct dimensions in NEURAL['embedder_options']"
        )
    if not np.isfinite(vector).all():
        raise EmbedderRefused("a vector of the server has a number that is not finite")
    return vector
