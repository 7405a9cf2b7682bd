"""The form of the trees (hyperparameters), and the rows and features that each tree uses. Pure.

An exchange is expensive, however little it carries. So each exchange grows several trees side by
side, each from a part of the rows and of the features. Their mean is one step of the boosting:
bagging within boosting (Breiman 1996; Friedman 2002 on a random part of the rows).
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

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
