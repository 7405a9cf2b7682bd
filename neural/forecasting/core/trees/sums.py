"""A store's part in growing trees: exact sums by bin, for one store or several together. Pure.

Gradients and hessians are rounded to whole multiples of 2**-10 average examples. Sums of whole
numbers below 2**53 are exact in float64. So they depend neither on the order of the rows nor on the
grouping of stores, and equal those of the pooled rows bit for bit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.binning import Codes
from neural.forecasting.core.protocol import Memory
from neural.forecasting.core.trees.forest import PartialForest, features_taken, rows_taken

_HALF = 2.0**26
"""Two sums below this fit exactly into one float64, so a gradient and a hessian can be added up at
once. This suffices for some 30,000 rows."""
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
    node: NDArray[np.integer],
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
    packed, parts = _packed(gradient, hessian)
    found = []
    for code, bins in zip(codes, counts, strict=True):
        cell = node * np.intp(bins) + code
        cells = nodes * int(bins)
        total = np.zeros((2, cells))
        for part in parts:
            sums = [np.bincount(cell[part], each[part], cells) for each in packed]
            total += _unpacked(np.array(sums, np.float64))
        found.append(total.reshape(2, nodes, int(bins)))
    return found


def _packed(
    gradient: NDArray[np.float64], hessian: NDArray[np.float64]
) -> tuple[list[NDArray[np.float64]], list[slice]]:
    """The weights to add up, and the parts of the rows whose sums fit together into one float64."""
    size = np.abs(gradient) + hessian
    if size.max(initial=0.0) >= _HALF / 2:
        return [gradient, hessian], [slice(None)]
    reached = np.cumsum(size)
    last = reached[-1] if len(reached) else 0.0
    ends = np.searchsorted(reached, np.arange(_HALF / 2, last, _HALF / 2)).tolist()
    starts = [0, *ends]
    return [gradient * _HALF + hessian], [
        slice(start, end) for start, end in zip(starts, [*ends, len(size)], strict=True)
    ]


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


Whole = NDArray[np.int64]

STEPS = 1024.0
"""Sums are whole multiples of 1 / STEPS average examples."""
_LARGEST = 2.0**31
"""The most that one row counts, so that a million rows stay below 2**53."""
_FARTHEST = 20.0
"""The most that trees change the logarithm of a demand, so that its exponential stays finite."""


@dataclass(frozen=True)
class TreeRows:
    """The binned examples with a known target, of one or several stores."""

    codes: Codes
    """uint8 (features, rows)"""
    offset: NDArray[np.float64]
    """(rows,), log of the forecast that the trees start from."""
    target: NDArray[np.float64]
    """(rows,), portions."""
    store: NDArray[np.uint32]
    """(rows,), position of the row's store in ``stores``."""
    keys: NDArray[np.uint32]
    """(rows,), number of the row within its store."""
    stores: tuple[str, ...]
    weights: NDArray[np.float64]
    """(stores,), weight of each store's rows in the loss."""


def rows_of(
    *,
    store: str,
    codes: Codes,
    offset: NDArray[np.floating],
    target: NDArray[np.floating],
    weight: float = 1.0,
) -> TreeRows:
    """One store's rows, from those of its examples whose target is known."""
    known = np.flatnonzero(np.isfinite(target))
    return TreeRows(
        codes=np.ascontiguousarray(codes[:, known]),
        offset=np.asarray(offset, dtype=np.float64)[known],
        target=np.asarray(target, dtype=np.float64)[known],
        store=np.zeros(len(known), dtype=np.uint32),
        keys=np.arange(len(known), dtype=np.uint32),
        stores=(store,),
        weights=np.array([weight]),
    )


def joined(parts: Sequence[TreeRows]) -> TreeRows:
    """The rows of several stores in one, which is added up faster than store by store."""
    starts = np.cumsum([0] + [len(each.stores) for each in parts]).astype(np.uint32)
    return TreeRows(
        codes=np.concatenate([each.codes for each in parts], axis=1),
        offset=np.concatenate([each.offset for each in parts]),
        target=np.concatenate([each.target for each in parts]),
        store=np.concatenate([e.store + start for e, start in zip(parts, starts, strict=False)]),
        keys=np.concatenate([each.keys for each in parts]),
        stores=tuple(name for each in parts for name in each.stores),
        weights=np.concatenate([each.weights for each in parts]),
    )


@dataclass
class _Tree:
    """A tree of the current stage, with the rows that it uses. It looks their bins up where they
    are: copies of them would take twice as much memory as everything else."""

    rows: NDArray[np.int32]
    features: NDArray[np.intp]
    node: NDArray[np.uint8]
    above: list[NDArray[np.float64]] = field(default_factory=list)
    """The sums of the level before, by feature: (2, nodes, bins)."""

    def codes(self, rows: TreeRows, taken: NDArray[np.int32]) -> Iterator[NDArray[np.uint8]]:
        """The bins of these rows, feature by feature: numpy gathers from one dimension several
        times faster than from two."""
        return (rows.codes[feature].take(taken) for feature in self.features)


@dataclass
class _State:
    """The rows' position in the growing trees. It can be made again from the forest."""

    forest: PartialForest
    """The forest of the last question that these rows answered."""
    level: int
    margin: NDArray[np.float64]
    """The sum of the finished trees for each row."""
    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64]
    left_out: tuple[str, ...]
    trees: list[_Tree]


class Sums(NamedTuple):
    """Sums of gradients and hessians by (tree, feature, node, bin), in that order, in multiples
    of 1 / STEPS: int64, all trees one after the other."""

    gradient: Whole
    hessian: Whole


class Added(NamedTuple):
    """The sums of several stores together."""

    sums: Sums
    left_out: tuple[str, ...]
    """Stores that are not included in the sums: see :func:`outlying`."""


def sums(*, forest: PartialForest, rows: TreeRows, memory: Memory) -> Added:
    """The sums of the rows for the forest's next level.

    Several stores are judged first, by the sums of each store at the stage's first root
    (:func:`outlying`). The rows of a store that is left out do not count until the next stage.

    ``memory`` caches the margins of the finished trees, each row's node, and the sums of the level
    before. (Of two siblings only the smaller is added up; the difference from the parent is exactly
    the other.) It may be empty at any time.
    """
    state = _state(forest, rows, memory)
    found = [each for tree in state.trees for each in _histograms(tree, rows, state)]
    flat = [np.concatenate([each[part].ravel() for each in found]) for part in (0, 1)]
    return Added(Sums(flat[0].astype(np.int64), flat[1].astype(np.int64)), state.left_out)


def _state(forest: PartialForest, rows: TreeRows, memory: Memory) -> _State:
    state: _State | None = memory.get("state")
    if state is not None and not (
        len(state.margin) == len(rows.target) and forest.continues(state.forest)
    ):
        state = None
    if state is None or state.forest.stage < forest.stage or state.level > forest.level:
        state = memory["state"] = _new_stage(forest, rows, state)
    while state.level < forest.level:
        for number, tree in enumerate(state.trees):
            _go_down(forest, rows, tree, number, state.level)
        state.level += 1
    state.forest = forest
    return state


def _new_stage(forest: PartialForest, rows: TreeRows, before: _State | None) -> _State:
    first = 0 if before is None else len(before.forest.finished)
    margin = forest.finished.margins(rows.codes, first=first)
    if before is not None:
        margin += before.margin
    gradient, hessian = whole_derivatives(rows=rows, margin=margin, unit=forest.unit)
    trees = [_new_tree(forest, rows, number) for number in range(forest.form.together)]
    out = _outliers(forest, rows, trees[0], gradient, hessian)
    if out.any():
        within = ~out[rows.store]
        gradient, hessian = gradient * within, hessian * within
    left_out = tuple(name for name, is_out in zip(rows.stores, out, strict=True) if is_out)
    return _State(forest, 0, margin, gradient, hessian, left_out, trees)


def _outliers(
    forest: PartialForest,
    rows: TreeRows,
    first: _Tree,
    gradient: NDArray[np.float64],
    hessian: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """(stores,): judged by their sums at the first tree's root. One store alone is not judged."""
    if len(rows.stores) < 2:
        return np.zeros(len(rows.stores), dtype=np.bool_)
    found = histograms(
        first.codes(rows, first.rows),
        rows.store[first.rows],
        gradient[first.rows],
        hessian[first.rows],
        counts=forest.bins.counts[first.features],
        nodes=len(rows.stores),
    )
    squares = np.sum([(each**2).sum(axis=2) for each in found], axis=0)
    return outlying(gradient=np.sqrt(squares[0]), hessian=np.sqrt(squares[1]))


def whole_derivatives(
    *, rows: TreeRows, margin: NDArray[np.float64], unit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first and second derivative of each row's Poisson deviance / 2 in the logarithm of its
    mean: μ - y, and μ. Both are in whole multiples of ``unit`` / STEPS."""
    mean = np.exp(rows.offset + np.clip(margin, -_FARTHEST, _FARTHEST))
    scale = rows.weights[rows.store] * (STEPS / unit)
    gradient = np.rint(np.clip((mean - rows.target) * scale, -_LARGEST, _LARGEST))
    return gradient, np.rint(np.clip(mean * scale, 0.0, _LARGEST))


def _new_tree(forest: PartialForest, rows: TreeRows, number: int) -> _Tree:
    taken = rows_taken(form=forest.form, stage=forest.stage, tree=number, keys=rows.keys)
    features = features_taken(
        form=forest.form, stage=forest.stage, tree=number, counts=forest.bins.counts
    )
    return _Tree(taken.astype(np.int32), features, np.zeros(len(taken), dtype=np.uint8))


def _go_down(forest: PartialForest, rows: TreeRows, tree: _Tree, number: int, level: int) -> None:
    inner = slice(2**level - 1, 2 ** (level + 1) - 1)
    feature, threshold = forest.feature[number, inner], forest.threshold[number, inner]
    place = feature[tree.node] * np.intp(rows.codes.shape[1]) + tree.rows
    tree.node = 2 * tree.node + (rows.codes.ravel().take(place) > threshold[tree.node])


def _histograms(tree: _Tree, rows: TreeRows, state: _State) -> list[NDArray[np.float64]]:
    """The sums of gradient and hessian by feature: (2, nodes, bins)."""
    counts = state.forest.bins.counts[tree.features]
    nodes = 2**state.level
    if nodes > 1 and tree.above and tree.above[0].shape[1] * 2 == nodes:
        tree.above = _from_smaller(tree, rows, state, counts, nodes)
    else:
        tree.above = _added_up(tree, rows, state, tree.rows, tree.node, counts, nodes)
    return tree.above


def _from_smaller(
    tree: _Tree, rows: TreeRows, state: _State, counts: Whole, nodes: int
) -> list[NDArray[np.float64]]:
    """Add up the rows of each node's smaller child; the other child is the difference."""
    sizes = np.bincount(tree.node, minlength=nodes).reshape(-1, 2)
    second = sizes[:, 1] <= sizes[:, 0]
    smaller = np.flatnonzero((tree.node % 2 == 1) == second[tree.node // 2])
    taken, node = tree.rows[smaller], tree.node[smaller] // 2
    small = _added_up(tree, rows, state, taken, node, counts, nodes // 2)
    return [siblings(*pair, second) for pair in zip(tree.above, small, strict=True)]


def _added_up(
    tree: _Tree,
    rows: TreeRows,
    state: _State,
    taken: NDArray[np.int32],
    node: NDArray[np.uint8],
    counts: Whole,
    nodes: int,
) -> list[NDArray[np.float64]]:
    return histograms(
        tree.codes(rows, taken),
        node.astype(np.intp),
        state.gradient[taken],
        state.hessian[taken],
        counts=counts,
        nodes=nodes,
    )
