"""Sums by bin, in the way that numpy computes fastest, and outliers among the stores. Pure."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_HALF = 2.0**26
"""Two sums below this fit exactly into one float64, so a gradient and a hessian can be added up at
once. This suffices for some 60,000 rows."""
OUTLYING = 4.0
"""A store is left out if its gradient, relative to its hessian, is more than this many times as
long as the median store's."""
LEAST_TO_JUDGE = 3


def siblings(
    above: NDArray[np.float64], small: NDArray[np.float64], second: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The sums of both children, from those of their parents (``above``) and of one child each
    (``small``): the second child where ``second`` is True. (2, nodes, bins) each."""
    large = above - small
    chosen = second[None, :, None]
    pairs = np.stack([np.where(chosen, large, small), np.where(chosen, small, large)], axis=2)
    return pairs.reshape(2, -1, above.shape[2])


def histograms(
    codes: Iterable[NDArray[np.uint8]],
    node: NDArray[np.intp],
    gradient: NDArray[np.float64],
    hessian: NDArray[np.float64],
    *,
    counts: NDArray[np.int64],
    nodes: int,
) -> list[NDArray[np.float64]]:
    """Sums of gradient and hessian by node and bin, for each feature: (2, nodes, bins).

    ``codes`` has each feature's bins, (rows,). The other arrays are (rows,) too; gradient and
    hessian are whole numbers. numpy is fastest with one pass for each feature over contiguous rows:
    1.6 to 2.6 ns for each row and feature.
    """
    packed = max(np.abs(gradient).sum(), hessian.sum()) < _HALF
    weights = [gradient * _HALF + hessian] if packed else [gradient, hessian]
    found = []
    for code, bins in zip(codes, counts, strict=True):
        cell = node * bins + code
        cells = nodes * int(bins)
        parts = np.array([np.bincount(cell, each, cells) for each in weights], np.float64)
        found.append(_unpacked(parts).reshape(2, nodes, int(bins)))
    return found


def _unpacked(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(parts) == 2:
        return parts
    gradient = np.floor(parts[0] / _HALF)
    return np.stack([gradient, parts[0] - gradient * _HALF])


def outlying(
    *,
    gradient: NDArray[np.float64],
    hessian: NDArray[np.float64],
    stores: NDArray[np.intp] | None = None,
) -> NDArray[np.bool_]:
    """(answers,): True for answers to leave out, because their gradient, relative to their hessian,
    is more than :data:`OUTLYING` times as long as the median store's.

    ``gradient`` and ``hessian`` are lengths (L2), (answers,). ``stores`` is the number of stores of
    each answer (by default one). A group counts in the median for all of its stores. It is never
    left out itself, because its stores were judged where they were added up.

    A store smaller than the median may scatter more, by the root of its size; this gives it no more
    influence than a store of median weight. Fewer than three stores are not judged, because two
    have no majority.
    """
    of = np.ones(len(hessian), dtype=np.intp) if stores is None else stores
    if of.sum() < LEAST_TO_JUDGE:
        return np.zeros(len(hessian), dtype=bool)
    sizes = np.maximum(hessian, 1.0)
    ratio = gradient / sizes
    ordinary_size, ordinary_ratio = (np.median(np.repeat(each, of)) for each in (sizes, ratio))
    allowed = np.maximum(1.0, np.sqrt(ordinary_size / sizes))
    return np.asarray((ratio > OUTLYING * ordinary_ratio * allowed) & (of == 1))
