"""Grows the next level of the trees from the stores' sums, and decides which sums count. Pure.

The gain of a split is its reduction of the loss in second-order approximation (Chen and Guestrin
2016, formula 7). Everything is computed from whole numbers that do not depend on the order of the
stores, so every coordinator grows the same trees."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.protocol import AnswerRefused, Json
from neural.forecasting.core.trees.forest import (
    GRAIN,
    NO_SPLIT,
    Form,
    PartialForest,
    features_taken,
)
from neural.forecasting.core.trees.sums import LEAST_TO_JUDGE, STEPS, Sums, Whole, outlying

Floats = NDArray[np.float64]

LARGEST_SUM = 2**50
"""The limit of a sum in an answer: the total of a thousand answers stays within int64."""


def sums_as_json(sums: Sums) -> Json:
    """Sums as JSON for an answer, in four bytes for each number if all of them fit."""
    largest = max(int(np.abs(each).max(initial=0)) for each in sums)
    dtype = "<i4" if largest < 2**31 else "<i8"
    return {
        "gradient": encode(sums.gradient, dtype=dtype),
        "hessian": encode(sums.hessian, dtype=dtype),
    }


def sums_from_json(*, forest: PartialForest, answer: object) -> Sums:
    """The sums of an answer, for the forest's next level.

    Raises AnswerRefused for other keys, types or shapes (``wrong_keys``, ``wrong_type``,
    ``wrong_shape``), for sums too large or a negative hessian (``out_of_range``), and if the
    totals of a node's features differ (``inconsistent``): each row is in one bin of every feature,
    so they must be equal.
    """
    if not isinstance(answer, dict) or set(answer) != {"gradient", "hessian"}:
        raise AnswerRefused("wrong_keys", "sums are gradient and hessian")
    shape = (sum(part.size for part in layout(forest)),)
    sums = Sums(_whole(answer["gradient"], shape), _whole(answer["hessian"], shape))
    if (sums.hessian < 0).any() or any(_is_too_large(each) for each in sums):
        raise AnswerRefused("out_of_range", "a sum")
    _check_totals(forest, sums)
    return sums


def _is_too_large(values: Whole) -> bool:
    # abs is of no use here: the absolute value of the least int64 is negative.
    return bool(((values > LARGEST_SUM) | (values < -LARGEST_SUM)).any())


def _whole(value: object, shape: tuple[int]) -> Whole:
    dtype = value.get("dtype") if isinstance(value, dict) else None
    wanted = "<i4" if dtype == "<i4" else "<i8"
    return np.asarray(decode(value, dtype=wanted, shape=shape), dtype=np.int64)


def _check_totals(forest: PartialForest, sums: Sums) -> None:
    for part in layout(forest):
        for values in sums:
            totals = np.add.reduceat(values[part.slice], part.starts)
            by_feature = totals.reshape(-1, part.nodes)
            if (by_feature != by_feature[0]).any():
                raise AnswerRefused("inconsistent", "sums of a node's features differ")


class TreeSlice(NamedTuple):
    """The position of one tree's sums in the array of all: by feature, then node, then bin."""

    features: NDArray[np.intp]
    counts: Whole
    nodes: int
    slice: slice

    @property
    def size(self) -> int:
        """The number of the tree's sums."""
        return self.slice.stop - self.slice.start

    @property
    def starts(self) -> NDArray[np.intp]:
        """The offset of each feature's and node's sums within those of the tree."""
        lengths = np.repeat(self.counts, self.nodes)
        return np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.intp)


def layout(forest: PartialForest) -> list[TreeSlice]:
    """The positions of the sums of the stage's trees, tree by tree."""
    parts, start, nodes = [], 0, 2**forest.level
    for tree in range(forest.form.together):
        features = features_taken(
            form=forest.form, stage=forest.stage, tree=tree, counts=forest.bins.counts
        )
        counts = forest.bins.counts[features]
        end = start + nodes * int(counts.sum())
        parts.append(TreeSlice(features, counts, nodes, slice(start, end)))
        start = end
    return parts


def added(several: Sequence[Sums]) -> Sums:
    """The total of the sums of several answers. Raises ValueError if there are none."""
    if not several:
        raise ValueError("no sums")
    gradient, hessian = several[0]
    for each in several[1:]:
        gradient, hessian = gradient + each.gradient, hessian + each.hessian
    return Sums(gradient, hessian)


def grown(*, forest: PartialForest, sums: Sums) -> PartialForest:
    """The forest with one more level, grown from the sums of all stores. The last level of a stage
    finishes its trees."""
    found = [_split(forest.form, part, sums) for part in layout(forest)]
    deeper = forest.with_level(
        feature=np.stack([each.feature for each in found]),
        threshold=np.stack([each.threshold for each in found]),
    )
    if deeper.level < forest.form.depth:
        return deeper
    return deeper.with_values(np.stack([each.value for each in found]))


class _Level(NamedTuple):
    feature: NDArray[np.int32]
    threshold: NDArray[np.int32]
    value: NDArray[np.float32]
    """The values of all nodes' children, in case they become leaves."""


def _split(form: Form, part: TreeSlice, sums: Sums) -> _Level:
    gradient = _below(sums.gradient[part.slice], part)
    hessian = _below(sums.hessian[part.slice], part)
    gain = _gains(form, gradient, hessian)
    nodes, _, bins = gain.shape
    best = gain.reshape(nodes, -1).argmax(axis=1)
    node = np.arange(nodes)
    worth = gain.reshape(nodes, -1)[node, best] > 0
    # Without a split the last bin is the threshold, so that everything is below it.
    feature = np.where(worth, best // bins, 0)
    threshold = np.where(worth, best % bins, bins - 1)
    lower = (gradient[node, feature, threshold], hessian[node, feature, threshold])
    upper = (gradient[node, 0, -1] - lower[0], hessian[node, 0, -1] - lower[1])
    values = np.stack([_value(form, *lower), _value(form, *upper)], axis=1).ravel()
    return _Level(
        part.features[feature].astype(np.int32),
        np.where(worth, threshold, NO_SPLIT).astype(np.int32),
        values.astype(np.float32),
    )


def _below(values: Whole, part: TreeSlice) -> Floats:
    """Cumulative sums of each bin and those below it, in average examples: (nodes, features, most
    bins). For a feature with fewer bins, its total repeats."""
    most = int(part.counts.max())
    place = np.minimum(np.arange(most), part.counts[:, None, None] - 1)
    starts = part.starts.reshape(len(part.counts), part.nodes, 1)
    # One cumulative sum runs through all nodes; the sum before a node is subtracted. The numbers
    # are whole, so this is exact.
    running = np.concatenate([[0], np.cumsum(values)])
    below = running[starts + place + 1] - running[starts]
    return np.asarray(below.transpose(1, 0, 2) / STEPS, dtype=np.float64)


def _gains(form: Form, gradient: Floats, hessian: Floats) -> Floats:
    """The gain of each split; minus infinity where a side would be too small."""
    total, weight = gradient[:, :, -1:], hessian[:, :, -1:]
    above, rest = total - gradient, weight - hessian
    gain = gradient**2 / _curved(form, hessian) + above**2 / _curved(form, rest)
    gain -= total**2 / _curved(form, weight)
    allowed = np.minimum(hessian, rest) >= max(form.least_hessian, 1.0 / STEPS)
    return np.where(allowed, gain, -np.inf)


def _value(form: Form, gradient: Floats, hessian: Floats) -> Floats:
    step = np.clip(-gradient / _curved(form, hessian), -form.longest_step, form.longest_step)
    step *= form.learning_rate / form.together
    return np.asarray(np.rint(step / GRAIN) * GRAIN + 0.0, dtype=np.float64)


def _curved(form: Form, hessian: Floats) -> Floats:
    """The hessian with the ridge added; above zero even if both are zero."""
    return np.maximum(hessian + form.ridge, 1.0 / STEPS)


# Which answers count, and how much


MOST_ORDINARY_STORES = 10.0
"""The most that a store's sums may weigh, in multiples of the median store's. In the chains that
were measured, the largest store has five times the median."""


class Advanced(NamedTuple):
    """The forest with one more level, and the stores whose answers were left out."""

    forest: PartialForest
    left_out: tuple[str, ...]


def advanced(
    *, forest: PartialForest, answers: Mapping[str, Sums], stores: Mapping[str, int] | None = None
) -> Advanced:
    """Grow a level at the end of an exchange: leave out outliers and add up the other answers.

    ``stores`` gives the number of stores of each answer (by default one). Raises AnswerRefused
    (``too_few``) if no answer remains."""
    used, out = without_outliers(forest=forest, answers=answers, stores=stores or {})
    if not used:
        raise AnswerRefused("too_few", "no sums for the trees")
    judged = replace(forest, left_out=out)
    counted = bounded(forest=forest, answers=used, stores=stores or {})
    return Advanced(grown(forest=judged, sums=added(counted)), out)


def without_outliers(
    *, forest: PartialForest, answers: Mapping[str, Sums], stores: Mapping[str, int]
) -> tuple[dict[str, Sums], tuple[str, ...]]:
    """The answers that count, and the stores that are left out from now on.

    Stores are judged at the beginning of a stage, by the first tree. A store that was left out once
    stays out, because a store that cheats a little would be detected in some stages only.
    """
    used = {store: answers[store] for store in sorted(answers) if store not in forest.left_out}
    if forest.level > 0:
        return used, forest.left_out
    first = layout(forest)[0].slice
    lengths = [_lengths(each, first) for each in used.values()]
    gradient, hessian = np.array(lengths, dtype=np.float64).reshape(-1, 2).T
    of = np.array([stores.get(store, 1) for store in used], dtype=np.intp)
    mask = outlying(gradient=gradient, hessian=hessian, stores=of)
    out = {store for store, is_out in zip(used, mask, strict=True) if is_out}
    counted = {store: each for store, each in used.items() if store not in out}
    return counted, tuple(sorted(out.union(forest.left_out)))


def bounded(
    *, forest: PartialForest, answers: Mapping[str, Sums], stores: Mapping[str, int]
) -> list[Sums]:
    """The sums of the answers, scaled down for a store that claims to be huge. Such a store is no
    outlier by :func:`outlying` if its gradient and hessian are both, say, a thousand times as long.

    Sums of groups stay as they are, and so do those of fewer than three stores, where no size is
    ordinary.
    """
    first = layout(forest)[0].slice
    of = np.array([max(stores.get(store, 1), 1) for store in answers], dtype=np.intp)
    # The total is the same at all levels of a tree, so a store is scaled alike at each level.
    sizes = np.array([float(each.hessian[first].sum()) for each in answers.values()]) / of
    most = MOST_ORDINARY_STORES * max(float(np.median(np.repeat(sizes, of))), 1.0)
    if of.sum() < LEAST_TO_JUDGE:
        return list(answers.values())
    return [
        _times(each, most / size) if count == 1 and size > most else each
        for each, size, count in zip(answers.values(), sizes, of, strict=True)
    ]


def _times(sums: Sums, factor: float) -> Sums:
    gradient, hessian = (np.rint(each * factor).astype(np.int64) for each in sums)
    return Sums(gradient, hessian)


def _lengths(sums: Sums, first: slice) -> tuple[float, float]:
    gradient, hessian = (np.asarray(each[first], dtype=np.float64) for each in sums)
    return float(np.sqrt(gradient @ gradient)), float(np.sqrt(hessian @ hessian))
