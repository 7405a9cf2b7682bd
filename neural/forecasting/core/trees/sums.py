"""What a store, or several together, add up for the trees: sums by bin, exact. Pure.

Gradients and hessians are rounded to whole numbers of 2**-10 average examples. Sums of whole
numbers below 2**53 are exact in float64: they do not depend on the order of the rows, nor on how
stores are grouped, and equal those of the pooled rows bit for bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.binning import Codes
from neural.forecasting.core.protocol import Memory
from neural.forecasting.core.trees.form import features_taken, rows_taken
from neural.forecasting.core.trees.histograms import histograms, outlying, siblings
from neural.forecasting.core.trees.trees import PartialForest, descend

Whole = NDArray[np.int64]

STEPS = 1024.0
"""Whole numbers are multiples of 1 / STEPS."""
_LARGEST = 2.0**31
"""Most that one row counts: with it a million rows stay below 2**53."""
_FARTHEST = 20.0
"""Most that trees change the logarithm of a demand. Keeps its exponential finite."""


@dataclass(frozen=True)
class TreeRows:
    """Examples of one or several stores whose target is known, in bins."""

    codes: Codes
    """uint8 (features, rows)"""
    offset: NDArray[np.float64]
    """(rows,), log of the demand that the trees start from."""
    target: NDArray[np.float64]
    """(rows,), portions."""
    weight: NDArray[np.float64]
    """(rows,), of the rows' loss."""
    store: NDArray[np.intp]
    """(rows,), position in ``stores``."""
    keys: NDArray[np.uint32]
    """(rows,), number within the store."""
    stores: tuple[str, ...]


def rows_of(
    *,
    store: str,
    codes: Codes,
    offset: NDArray[np.floating],
    target: NDArray[np.floating],
    weight: float = 1.0,
) -> TreeRows:
    """One store's rows: those of its examples whose target is known."""
    known = np.flatnonzero(np.isfinite(target))
    return TreeRows(
        codes=np.ascontiguousarray(codes[:, known]),
        offset=np.asarray(offset, dtype=np.float64)[known],
        target=np.asarray(target, dtype=np.float64)[known],
        weight=np.full(len(known), weight),
        store=np.zeros(len(known), dtype=np.intp),
        keys=np.arange(len(known), dtype=np.uint32),
        stores=(store,),
    )


def joined(parts: Sequence[TreeRows]) -> TreeRows:
    """Rows of several stores as one: added up faster than store by store."""
    sizes = np.cumsum([0] + [len(each.stores) for each in parts])
    return TreeRows(
        codes=np.concatenate([each.codes for each in parts], axis=1),
        offset=np.concatenate([each.offset for each in parts]),
        target=np.concatenate([each.target for each in parts]),
        weight=np.concatenate([each.weight for each in parts]),
        store=np.concatenate([e.store + start for e, start in zip(parts, sizes, strict=False)]),
        keys=np.concatenate([each.keys for each in parts]),
        stores=tuple(name for each in parts for name in each.stores),
    )


@dataclass
class _Tree:
    """A tree of the stage that is under way, as the rows see it."""

    rows: NDArray[np.intp]
    features: NDArray[np.intp]
    codes: Codes
    """Only the tree's rows and features."""
    node: NDArray[np.intp]
    gradient: NDArray[np.float64]
    hessian: NDArray[np.float64]
    above: list[NDArray[np.float64]] = field(default_factory=list)
    """By feature, the sums of the level before: (2, nodes, bins)."""


@dataclass
class _State:
    """Where the rows are. All of it can be made again from the forest."""

    forest: PartialForest
    """What they were last asked with, or as much of it as they have followed."""
    level: int
    margin: NDArray[np.float64]
    """What the finished trees add."""
    left_out: tuple[str, ...]
    trees: list[_Tree]


class Sums(NamedTuple):
    """Sums of gradients and hessians by (tree, feature, node, bin), in that order, in multiples
    of 1 / STEPS: int64, all trees one after the other."""

    gradient: Whole
    hessian: Whole


class Added(NamedTuple):
    """What several stores together add up to."""

    sums: Sums
    left_out: tuple[str, ...]
    """Stores of which nothing is in it: see :func:`outlying`."""


def sums(*, forest: PartialForest, rows: TreeRows, memory: Memory) -> Added:
    """What the rows add up to for the level that the forest asks for.

    Rows of several stores are judged first, by the sums of each store at the stage's first root
    (:func:`outlying`): those of a store that is left out count nothing until the next stage.

    ``memory`` holds what the next exchange would have to make again: margins of the finished
    trees, each row's node, the sums of the level before (of two siblings only the smaller is
    added up; the other is what remains, exactly). It may be empty at any time.
    """
    state = _state(forest, rows, memory)
    found = [each for tree in state.trees for each in _histograms(tree, forest)]
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
            _go_down(forest, tree, number, state.level)
        state.level += 1
    state.forest = forest
    return state


def _new_stage(forest: PartialForest, rows: TreeRows, before: _State | None) -> _State:
    first = 0 if before is None else len(before.forest.finished)
    margin = forest.finished.margins(rows.codes, first=first)
    if before is not None:
        margin += before.margin
    gradient, hessian = whole_derivatives(rows=rows, margin=margin, unit=forest.unit)
    numbers = range(forest.form.together)
    trees = [_new_tree(forest, rows, number, gradient, hessian) for number in numbers]
    return _State(forest, 0, margin, _left_out(forest, rows, trees), trees)


def _left_out(forest: PartialForest, rows: TreeRows, trees: Sequence[_Tree]) -> tuple[str, ...]:
    """Judges the stores by their sums at the first tree's root, and makes nothing of those that
    are far from the others."""
    if len(rows.stores) < 2:
        return ()
    first = trees[0]
    found = histograms(
        first.codes,
        rows.store[first.rows],
        first.gradient,
        first.hessian,
        counts=forest.bins.counts[first.features],
        nodes=len(rows.stores),
    )
    squares = np.sum([(each**2).sum(axis=2) for each in found], axis=0)
    out = outlying(gradient=np.sqrt(squares[0]), hessian=np.sqrt(squares[1]))
    for tree in trees if out.any() else ():
        within = ~out[rows.store[tree.rows]]
        tree.gradient, tree.hessian = tree.gradient * within, tree.hessian * within
    return tuple(name for name, is_out in zip(rows.stores, out, strict=True) if is_out)


def whole_derivatives(
    *, rows: TreeRows, margin: NDArray[np.float64], unit: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and second derivative of each row's Poisson deviance / 2 in the logarithm of its
    mean, in whole multiples of 1 / STEPS of ``unit``: μ - y, and μ."""
    mean = np.exp(rows.offset + np.clip(margin, -_FARTHEST, _FARTHEST))
    scale = rows.weight * (STEPS / unit)
    gradient = np.rint(np.clip((mean - rows.target) * scale, -_LARGEST, _LARGEST))
    return gradient, np.rint(np.clip(mean * scale, 0.0, _LARGEST))


def _new_tree(
    forest: PartialForest,
    rows: TreeRows,
    number: int,
    gradient: NDArray[np.float64],
    hessian: NDArray[np.float64],
) -> _Tree:
    taken = rows_taken(form=forest.form, stage=forest.stage, tree=number, keys=rows.keys)
    features = features_taken(
        form=forest.form, stage=forest.stage, tree=number, counts=forest.bins.counts
    )
    return _Tree(
        rows=taken,
        features=features,
        # By feature: numpy gathers from one dimension several times faster than from two.
        codes=np.stack([rows.codes[feature].take(taken) for feature in features]),
        node=np.zeros(len(taken), dtype=np.intp),
        gradient=gradient[taken],
        hessian=hessian[taken],
    )


def _go_down(forest: PartialForest, tree: _Tree, number: int, level: int) -> None:
    inner = slice(2**level - 1, 2 ** (level + 1) - 1)
    place = np.zeros(forest.bins.features, dtype=np.int32)
    place[tree.features] = np.arange(len(tree.features))
    tree.node = descend(
        codes=tree.codes,
        node=tree.node[None],
        feature=place[forest.feature[number : number + 1, inner]],
        threshold=forest.threshold[number : number + 1, inner],
    )[0]


def _histograms(tree: _Tree, forest: PartialForest) -> list[NDArray[np.float64]]:
    """Sums by feature: (2, nodes, bins), gradient and hessian."""
    counts = forest.bins.counts[tree.features]
    nodes = 2**forest.level
    if nodes > 1 and tree.above and tree.above[0].shape[1] * 2 == nodes:
        tree.above = _from_smaller(tree, counts, nodes)
    else:
        tree.above = histograms(
            tree.codes, tree.node, tree.gradient, tree.hessian, counts=counts, nodes=nodes
        )
    return tree.above


def _from_smaller(tree: _Tree, counts: Whole, nodes: int) -> list[NDArray[np.float64]]:
    """Adds up the rows of the smaller child of each node; the other is what is left."""
    sizes = np.bincount(tree.node, minlength=nodes).reshape(-1, 2)
    second = sizes[:, 1] <= sizes[:, 0]
    kept = np.flatnonzero((tree.node % 2 == 1) == second[tree.node // 2])
    small = histograms(
        (code.take(kept) for code in tree.codes),
        tree.node[kept] // 2,
        tree.gradient[kept],
        tree.hessian[kept],
        counts=counts,
        nodes=nodes // 2,
    )
    return [siblings(*pair, second) for pair in zip(tree.above, small, strict=True)]
