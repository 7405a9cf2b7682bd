"""Sets of features: which columns a model was made with. Pure.

A newer set has the columns of the sets before it, in their order, and its own behind them. So
examples are made once, with the columns of the newest set, and a model takes the first of them.
A version that was made with an older set stays valid, and forecasts with its own columns
(docs/decisions/0016-feature-sets.md).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class FeatureSet:
    """The columns of a model, by name. ``version`` changes when a feature is computed differently
    under the same name."""

    version: int
    columns: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.columns)

    @cached_property
    def hash(self) -> str:
        """The set's identity, which is kept with every version of a model."""
        text = "\n".join([str(self.version), *self.columns])
        return hashlib.sha256(text.encode()).hexdigest()

    def of(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The set's columns of the values of the newest set, or of any set after this one."""
        return values[:, : len(self)]

    def and_more(self, columns: Sequence[str]) -> "FeatureSet":
        """The set after this one, with these columns behind its own."""
        return FeatureSet(self.version, (*self.columns, *columns))
