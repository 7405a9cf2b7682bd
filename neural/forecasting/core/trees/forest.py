"""The boosted trees: their form, the finished ones, and the forest under construction. Pure.

Histogram gradient boosting (Friedman 2001; Ke et al. 2017) of the logarithm of a Poisson mean,
with an offset. All trees have the same depth and are complete: node ``n`` has the children
``2n + 1`` and ``2n + 2``. A value whose bin is above the threshold goes to the second child. A node
that is not worth a split sends everything to the first child.

An exchange is expensive, however little it carries. So each exchange grows several trees side by
side, each from a part of the rows and of the features. Their mean is one step of the boosting:
bagging within boosting (Breiman 1996; Friedman 2002 on a random part of the rows)."""

import math
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.binning import Bins, Codes
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.protocol import AnswerRefused, Json


@dataclass(frozen=True, kw_only=True)
class Form:
    """The hyperparameters of the trees. Hessian sums are in units of one average example.

    The defaults are the best found for their 80 exchanges, on real sales. Many trees side by side
    with large steps are as good as one tree at a time with small steps, and with their mean 16 bins
    are as good as 64.
    """

    stages: int = 16
    """The number of boosting steps. Each stage takes ``depth`` exchanges."""
    together: int = 8
    """The number of trees side by side in a stage; the step is their mean."""
    depth: int = 5
    learning_rate: float = 0.3
    row_share: float = 0.5
    """The share of its rows that a store uses for each tree."""
    feature_share: float = 0.8
    """The share of the features that a tree may split on."""
    ridge: float = 10.0
    """Added to a leaf's hessian: λ of Chen and Guestrin 2016, formula 5."""
    least_hessian: float = 20.0
    """The smallest hessian of a leaf."""
    longest_step: float = 0.7
    """The most that a leaf may change the logarithm of the demand, before the learning rate."""
    seed: int = 0

    @property
    def exchanges(self) -> int:
        """The number of exchanges that all the trees take."""
        return self.stages * self.depth

    def as_json(self) -> Json:
        """The form as JSON for the forest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> "Form":
        """The form that :meth:`as_json` wrote. Raises AnswerRefused for anything else."""
        if not isinstance(value, dict) or set(value) != set(cls.__dataclass_fields__):
            raise AnswerRefused("wrong_keys", "not a form of trees")
        return cls(**value)


def rows_taken(*, form: Form, stage: int, tree: int, keys: NDArray[np.uint32]) -> NDArray[np.intp]:
    """The rows that a tree uses, in rising order. ``keys`` are the rows' numbers within their
    store, so every process uses the same rows. The trees of a stage overlap as little as possible:
    at a share of 1 / ``together`` they divide the rows among themselves."""
    if form.row_share >= 1.0:
        return np.arange(len(keys), dtype=np.intp)
    turned = _uniform(keys, _salt(form.seed, stage, 1)) + tree / form.together
    turned -= turned >= 1.0
    return np.flatnonzero(turned < form.row_share)


def features_taken(
    *, form: Form, stage: int, tree: int, counts: NDArray[np.int64]
) -> NDArray[np.intp]:
    """The features that a tree may split on, in rising order. A feature with a single bin is never
    among them, unless there is no other."""
    usable = np.flatnonzero(counts > 1)
    if not len(usable):
        return np.zeros(1, dtype=np.intp)
    wanted = max(1, math.ceil(form.feature_share * len(usable)))
    place = _uniform(usable.astype(np.uint32), _salt(form.seed, stage, 2))
    turned = np.argsort(np.mod(place + tree / form.together, 1.0), kind="stable")
    return np.sort(usable[turned[:wanted]])


def _salt(seed: int, stage: int, use: int) -> int:
    return (seed * 1_000_003 + stage) * 8 + use


def _uniform(keys: NDArray[np.uint32], salt: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each key, by SplitMix64 (Steele, Lea and Flood 2014). numpy's
    generators may change their stream between versions; this one does not."""
    with np.errstate(over="ignore"):
        mixed = _mixed(keys.astype(np.uint64) + _mixed(np.array(salt % 2**64, dtype=np.uint64)))
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    mixed = state + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


Integers = NDArray[np.int32]
Floats32 = NDArray[np.float32]

NO_SPLIT = 255
"""The threshold of a node without a split: no bin is above it."""
GRAIN = 2.0**-20
"""Leaf values are whole multiples of this, so their sums are exact in any order."""
_AT_ONCE = 2**17
"""The number of trees × examples that are looked up together, so that they stay in the processor's
cache."""


@dataclass(frozen=True)
class Trees:
    """Complete trees of one depth. ``feature`` and ``threshold``: int32 (trees, inner nodes);
    ``value``: float32 (trees, leaves), learning rate included, in whole multiples of GRAIN."""

    feature: Integers
    threshold: Integers
    value: Floats32

    @classmethod
    def none(cls, depth: int) -> "Trees":
        """An empty set of trees of this depth."""
        inner = np.empty((0, 2**depth - 1), dtype=np.int32)
        return cls(inner, inner.copy(), np.empty((0, 2**depth), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.value)

    def with_more(self, more: "Trees") -> "Trees":
        """These trees, followed by ``more``."""
        return Trees(
            np.concatenate([self.feature, more.feature]),
            np.concatenate([self.threshold, more.threshold]),
            np.concatenate([self.value, more.value]),
        )

    def margins(self, codes: Codes, *, first: int = 0) -> NDArray[np.float64]:
        """The sum of the trees from ``first`` on, to add to the logarithm of the demand: float64
        (examples,). ``codes`` has shape (features, examples). The sum is exact in any order."""
        total = np.zeros(codes.shape[1], dtype=np.float64)
        step = max(1, _AT_ONCE // max(codes.shape[1], 1))
        for start in range(first, len(self), step):
            total += self._of(codes, slice(start, start + step))
        return total

    def _of(self, codes: Codes, chosen: slice) -> NDArray[np.float64]:
        value = self.value[chosen]
        node = np.zeros((len(value), codes.shape[1]), dtype=np.intp)
        for level in range(int(value.shape[1]).bit_length() - 1):
            inner = slice(2**level - 1, 2 ** (level + 1) - 1)
            node = descend(
                codes=codes,
                node=node,
                feature=self.feature[chosen, inner],
                threshold=self.threshold[chosen, inner],
            )
        leaves = value.ravel().take(node + value.shape[1] * np.arange(len(value))[:, None])
        return np.asarray(leaves.sum(axis=0, dtype=np.float64))


def descend(
    *, codes: Codes, node: NDArray[np.intp], feature: Integers, threshold: Integers
) -> NDArray[np.intp]:
    """Move examples from the nodes of one level to those of the next, both numbered from 0.
    ``node`` has shape (trees, examples), ``feature`` and ``threshold`` (trees, nodes of the level).
    """
    trees, examples = node.shape
    # Flat positions: numpy looks up several times faster in one dimension than in two.
    place = node + feature.shape[1] * np.arange(trees)[:, None]
    code = feature.ravel().take(place) * np.intp(examples) + np.arange(examples)
    return np.asarray(2 * node + (codes.ravel().take(code) > threshold.ravel().take(place)))


@dataclass(frozen=True)
class PartialForest:
    """Trees under construction: the finished trees, and the levels so far of the current stage."""

    form: Form
    bins: Bins
    unit: float
    """The mean demand of the chain's examples, in portions. Hessians are divided by it."""
    finished: Trees
    feature: Integers
    """(trees of the stage, nodes of the levels so far)"""
    threshold: Integers
    left_out: tuple[str, ...] = ()
    """Stores whose sums are ignored, from the stage on in which they were outliers."""

    @property
    def stage(self) -> int:
        """The number of the stage that grows now, from 0."""
        return len(self.finished) // self.form.together

    @property
    def level(self) -> int:
        """The number of the level that is grown next, from 0."""
        return (self.feature.shape[1] + 1).bit_length() - 1

    @property
    def is_complete(self) -> bool:
        """Whether all trees are grown."""
        return self.stage >= self.form.stages

    def continues(self, earlier: "PartialForest") -> bool:
        """Whether this forest differs from an earlier one only by additional levels or trees."""
        count, levels = len(earlier.finished), earlier.feature.shape[1]
        same = [
            (self.bins.edges, earlier.bins.edges),
            (self.finished.feature[:count], earlier.finished.feature),
            (self.finished.threshold[:count], earlier.finished.threshold),
            (self.finished.value[:count], earlier.finished.value),
        ]
        if self.stage == earlier.stage:
            same.append((self.feature[:, :levels], earlier.feature))
            same.append((self.threshold[:, :levels], earlier.threshold))
        alike = (self.form, self.unit) == (earlier.form, earlier.unit)
        return alike and all(np.array_equal(mine, theirs) for mine, theirs in same)

    def as_json(self) -> Json:
        """The forest as JSON for the server state."""
        return {
            "form": self.form.as_json(),
            "bins": self.bins.as_json(),
            "unit": self.unit,
            "finished": {
                "feature": encode(self.finished.feature, dtype="<i4"),
                "threshold": encode(self.finished.threshold, dtype="<i4"),
                "value": encode(self.finished.value, dtype="<f4"),
            },
            "feature": encode(self.feature, dtype="<i4"),
            "threshold": encode(self.threshold, dtype="<i4"),
            "left_out": list(self.left_out),
        }

    @classmethod
    def from_json(cls, value: Json) -> "PartialForest":
        """The forest that :meth:`as_json` wrote. Raises AnswerRefused for malformed parts."""
        form = Form.from_json(value["form"])
        inner, trees = 2**form.depth - 1, value["finished"]
        return cls(
            form=form,
            bins=Bins.from_json(value["bins"]),
            unit=float(value["unit"]),
            finished=Trees(
                decode(trees["feature"], dtype="<i4", shape=(None, inner)),
                decode(trees["threshold"], dtype="<i4", shape=(None, inner)),
                decode(trees["value"], dtype="<f4", shape=(None, inner + 1)),
            ),
            feature=decode(value["feature"], dtype="<i4", shape=(form.together, None)),
            threshold=decode(value["threshold"], dtype="<i4", shape=(form.together, None)),
            left_out=tuple(value["left_out"]),
        )

    def with_level(self, *, feature: Integers, threshold: Integers) -> "PartialForest":
        """The forest with one more level of the stage's trees."""
        return replace(
            self,
            feature=np.concatenate([self.feature, feature], axis=1, dtype=np.int32),
            threshold=np.concatenate([self.threshold, threshold], axis=1, dtype=np.int32),
        )

    def with_values(self, value: Floats32) -> "PartialForest":
        """The forest with the stage's trees finished. Their levels must be complete."""
        nothing = np.empty((self.form.together, 0), dtype=np.int32)
        return replace(
            self,
            finished=self.finished.with_more(Trees(self.feature, self.threshold, value)),
            feature=nothing,
            threshold=nothing,
        )


def begin(*, form: Form, bins: Bins, unit: float) -> PartialForest:
    """A forest without trees. ``unit`` is the mean demand of the chain's examples, in portions;
    raises AnswerRefused (``not_finite``) unless it is finite and above zero."""
    if not (np.isfinite(unit) and unit > 0):
        raise AnswerRefused("not_finite", "the mean demand must be above zero")
    nothing = np.empty((form.together, 0), dtype=np.int32)
    return PartialForest(form, bins, unit, Trees.none(form.depth), nothing, nothing)
