"""Common bins for all stores of a chain, from quantiles that each store sends. Pure.

A histogram of a feature needs the same bins everywhere. A store describes its values by a fixed
number of points, each with the count of examples that it stands for. The points of all stores,
sorted and weighted, are cut into bins of about equal weight. A feature with few values has one
bin for each of them; a constant feature has a single bin. (Weighted quantile sketches: Chen and
Guestrin 2016, arXiv 1603.02754, appendix; here merged once, not pruned.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.protocol import AnswerRefused, Json

Floats32 = NDArray[np.float32]
Codes = NDArray[np.uint8]

POINTS = 64
"""The number of points that a store sends for each feature."""
LEAST_EXAMPLES = 8
"""A point stands for at least about this many examples; a store with few examples sends fewer
points."""
MOST_BINS = 256
"""The most bins of a feature: a bin's number is one byte."""

_BEYOND = np.finfo(np.float32).max
"""Fills unused edges of a feature with fewer bins: no value lies beyond it."""


@dataclass(frozen=True)
class Bins:
    """The bins of all features. ``edges``: float32 (features, most bins - 1), rising. The number of
    a value's bin is the count of edges below the value."""

    edges: Floats32

    @property
    def counts(self) -> NDArray[np.int64]:
        """The number of bins of each feature, at least 1."""
        return np.asarray((self.edges < _BEYOND).sum(axis=1) + 1, dtype=np.int64)

    @property
    def features(self) -> int:
        """The number of features."""
        return int(self.edges.shape[0])

    def as_json(self) -> Json:
        """The bins as JSON for the server state."""
        return encode(self.edges, dtype="<f4")

    @classmethod
    def from_json(cls, value: object) -> "Bins":
        """The bins that :meth:`as_json` wrote. Raises AnswerRefused for anything else."""
        edges = decode(value, dtype="<f4", shape=(None, None))
        if edges.shape[1] >= MOST_BINS:
            raise AnswerRefused("wrong_shape", f"more than {MOST_BINS} bins")
        if (np.diff(edges, axis=1) < 0).any():
            raise AnswerRefused("wrong_type", "edges do not rise")
        return cls(edges)


def sketch(*, values: NDArray[np.floating]) -> Json:
    """The summary of a store's values from which the chain's bins are made.

    ``values`` has shape (examples, features). A feature with few values gets a point for each of
    them, with its count; any other feature gets quantiles. No point stands for less than about
    ``LEAST_EXAMPLES`` examples. Values that are not finite do not count.
    """
    columns = np.asarray(values, dtype=np.float32).T
    places = np.zeros((len(columns), POINTS), dtype=np.float32)
    counts = np.zeros((len(columns), POINTS), dtype=np.float32)
    for row, column in enumerate(columns):
        _summarise(column[np.isfinite(column)], places[row], counts[row])
    return {"points": encode(places, dtype="<f4"), "counts": encode(counts, dtype="<f4")}


def _summarise(column: Floats32, places: Floats32, counts: Floats32) -> None:
    most = min(len(places), len(column) // LEAST_EXAMPLES)
    if most < 1:
        return
    ordered = np.sort(column)
    starts = np.flatnonzero(np.diff(ordered, prepend=np.float32(-np.inf)) > 0)
    if len(starts) <= most:
        places[: len(starts)] = ordered[starts]
        counts[: len(starts)] = np.diff(starts, append=len(ordered))
        return
    ranks = ((np.arange(most) + 0.5) * len(ordered) / most).astype(np.intp)
    places[:most] = ordered[ranks]
    counts[:most] = len(ordered) / most


def check_sketch(answer: object, *, features: int) -> None:
    """Raise AnswerRefused unless a sketch has the shapes and types of :func:`sketch`, finite
    points, and counts that are not negative."""
    _read(answer, features=features)


def _read(answer: object, *, features: int) -> tuple[Floats32, Floats32]:
    if not isinstance(answer, dict) or set(answer) != {"points", "counts"}:
        raise AnswerRefused("wrong_keys", "a sketch has points and counts")
    shape = (features, POINTS)
    places = decode(answer["points"], dtype="<f4", shape=shape)
    counts = decode(answer["counts"], dtype="<f4", shape=shape)
    if (counts < 0).any():
        raise AnswerRefused("wrong_type", "a count is negative")
    return places, counts


def agree(
    *,
    sketches: Sequence[Json],
    bins: int,
    features: int,
    most_examples: int = 100_000,
) -> Bins:
    """The chain's bins, at most ``bins`` for each feature. The order of the sketches is irrelevant.

    No store counts for more than ``most_examples``. Raises AnswerRefused for a sketch that
    :func:`check_sketch` refuses, and ValueError unless 2 <= bins <= 256.
    """
    if not 2 <= bins <= MOST_BINS:
        raise ValueError(f"bins must be from 2 to {MOST_BINS}, not {bins}")
    read = [_read(each, features=features) for each in sketches]
    places = np.concatenate([each[0] for each in read], axis=1)
    weights = np.concatenate([_capped(each[1], most_examples) for each in read], axis=1)
    edges = np.full((features, bins - 1), _BEYOND, dtype=np.float32)
    for row in range(features):
        found = _cut(places[row], weights[row], bins)
        edges[row, : len(found)] = found
    return Bins(edges)


def _capped(counts: Floats32, most: int) -> NDArray[np.float64]:
    # Whole multiples of 2**-10: their sums do not depend on the order of the stores.
    total = counts.sum(axis=1, keepdims=True, dtype=np.float64)
    factor = np.minimum(1.0, most / np.maximum(total, 1.0))
    return np.round(counts * factor * 1024.0)


def _cut(places: Floats32, weights: NDArray[np.float64], bins: int) -> Floats32:
    """Edges between neighbouring values: all edges if there are few values, otherwise those
    nearest to equal shares of the weight."""
    weighted = weights > 0
    values, which = np.unique(places[weighted], return_inverse=True)
    if len(values) < 2:
        return np.empty(0, dtype=np.float32)
    below, above = values[:-1].astype(np.float64), values[1:].astype(np.float64)
    between = _separating(below, above)
    if len(values) <= bins:
        return between
    reached = np.cumsum(np.bincount(which.ravel(), weights=weights[weighted]))
    wanted = reached[-1] * np.arange(1, bins) / bins
    cuts = np.unique(np.searchsorted(reached[:-1], wanted))
    return between[np.minimum(cuts, len(between) - 1)]


def _separating(below: NDArray[np.float64], above: NDArray[np.float64]) -> Floats32:
    """Halfway in float32, but always below the upper neighbour: a value on an edge counts as
    below it."""
    halfway = ((below + above) / 2).astype(np.float32)
    edges: Floats32 = np.where(halfway < above, halfway, below).astype(np.float32)
    return edges


def binned(*, values: NDArray[np.floating], bins: Bins) -> Codes:
    """The number of each value's bin: uint8 (features, examples), the examples of a feature
    contiguous in memory. ``values`` has shape (examples, features); NaN is in the last bin. Raises
    ValueError for another number of features."""
    columns = np.asarray(values, dtype=np.float32).T
    if len(columns) != bins.features:
        raise ValueError(f"{len(columns)} features, but bins of {bins.features}")
    counts = bins.counts
    codes = np.empty(columns.shape, dtype=np.uint8)
    for row, column in enumerate(columns):
        edges = bins.edges[row, : counts[row] - 1]
        codes[row] = np.searchsorted(edges, np.ascontiguousarray(column), side="left")
    return codes
