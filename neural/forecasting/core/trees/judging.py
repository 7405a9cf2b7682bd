"""Decides which answers count for a level of the trees, and how much. Pure."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from neural.forecasting.core.protocol import AnswerRefused
from neural.forecasting.core.trees.growing import added, grown, layout
from neural.forecasting.core.trees.histograms import LEAST_TO_JUDGE, outlying
from neural.forecasting.core.trees.sums import Sums
from neural.forecasting.core.trees.trees import PartialForest

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
    kept, out = without_outliers(forest=forest, answers=answers, stores=stores or {})
    if not kept:
        raise AnswerRefused("too_few", "no sums for the trees")
    judged = replace(forest, left_out=out)
    counted = bounded(forest=forest, answers=kept, stores=stores or {})
    return Advanced(grown(forest=judged, sums=added(counted)), out)


def without_outliers(
    *, forest: PartialForest, answers: Mapping[str, Sums], stores: Mapping[str, int]
) -> tuple[dict[str, Sums], tuple[str, ...]]:
    """The answers that count, and the stores that are left out from now on.

    Stores are judged at the beginning of a stage, by the first tree. A store that was left out once
    stays out, because a store that cheats a little would be detected in some stages only.
    """
    kept = {store: answers[store] for store in sorted(answers) if store not in forest.left_out}
    if forest.level > 0:
        return kept, forest.left_out
    first = layout(forest)[0].slice
    lengths = [_lengths(each, first) for each in kept.values()]
    gradient, hessian = np.array(lengths, dtype=np.float64).reshape(-1, 2).T
    of = np.array([stores.get(store, 1) for store in kept], dtype=np.intp)
    mask = outlying(gradient=gradient, hessian=hessian, stores=of)
    out = {store for store, is_out in zip(kept, mask, strict=True) if is_out}
    counted = {store: each for store, each in kept.items() if store not in out}
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
