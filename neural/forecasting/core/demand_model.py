"""The demand model: the content of a version, and its forecasts of a store's examples. Pure.

The content of a version is JSON: the standard of the features, the chain's linear weights, the
prior variance of personal weights, the trees, usual levels of dishes, the dispersion. A store's
personal weights are made from its own rows where they are needed, and never leave the store.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core import glm
from neural.forecasting.core.binning import binned
from neural.forecasting.core.days import like_weekdays
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.features import FEATURES, SCHEMA, Examples
from neural.forecasting.core.lags import Chain
from neural.forecasting.core.protocol import AnswerRefused, Json
from neural.forecasting.core.series import FloatArray, Sales
from neural.forecasting.core.trees.forest import PartialForest

SHARE_BEFORE_TREES = 0.5
"""Trees are grown on top of this share of the linear predictor; they must find the rest."""
SHARE_OF_TREES = 0.75
"""The weight in a forecast of the trees with their base; the linear predictor alone has the rest.
Measured: benchmarks/forecasts."""

FLAT_WEEK = (1.0,) * 7
SIZE = len(FEATURES) + 1
"""The number of linear weights."""


@dataclass(frozen=True, kw_only=True)
class DemandModel:
    """The model that all stores share. The intercept is the first of its weights."""

    standard: glm.Standard
    weights: FloatArray
    """(size,): the chain's weights, for standardised features."""
    variance: FloatArray
    """(size,): the prior variance of the stores' weights around the chain's."""
    forest: PartialForest | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    """The usual level of each dish that enough stores sell, in portions a day."""
    week: Sequence[float] = FLAT_WEEK
    """The usual sales of each weekday, from Monday, / those of all days."""

    def as_json(self) -> Json:
        """The model as JSON for a server state or a version."""
        return {
            "schema": SCHEMA,
            "mean": encode(self.standard.mean, dtype="<f8"),
            "scale": encode(self.standard.scale, dtype="<f8"),
            "weights": encode(self.weights, dtype="<f8"),
            "variance": encode(self.variance, dtype="<f8"),
            "forest": self.forest and self.forest.as_json(),
            "levels": dict(self.levels),
            "week": list(self.week),
        }

    @classmethod
    def from_json(cls, value: Json) -> "DemandModel":
        """The model that :meth:`as_json` wrote. Raises AnswerRefused (``wrong_version``) for a
        model that was made with other features."""
        if value.get("schema") != SCHEMA:
            raise AnswerRefused("wrong_version", "the model was made with other features")
        size, forest = (SIZE,), value["forest"]
        return cls(
            standard=glm.Standard(
                mean=decode(value["mean"], dtype="<f8", shape=(len(FEATURES),)),
                scale=decode(value["scale"], dtype="<f8", shape=(len(FEATURES),)),
            ),
            weights=decode(value["weights"], dtype="<f8", shape=size),
            variance=decode(value["variance"], dtype="<f8", shape=size),
            forest=None if forest is None else PartialForest.from_json(forest),
            levels=value["levels"],
            week=value.get("week", FLAT_WEEK),  # earlier versions lack it
        )

    def chain(self, sales: Sales) -> Chain:
        """What the chain knows of this store's dishes."""
        levels = [self.levels.get(dish, np.nan) for dish in sales.dishes]
        return Chain(np.array(levels), np.array(self.week)[like_weekdays(sales)])

    def personal_weights(
        self, train: Examples, problem: glm.LocalObjective | None = None
    ) -> FloatArray:
        """(size,): the store's own weights, from its examples; the chain's if it has none."""
        if not len(train):
            return self.weights
        return glm.personal_weights(
            problem or self.problem(train),
            centre=self.weights,
            variance=self.variance,
            temper=temper_of(train),
        )

    def problem(self, examples: Examples) -> glm.LocalObjective:
        """A store's loss, whose targets must all be known."""
        return glm.problem(examples, self.standard)

    def before_trees(self, examples: Examples, weights: FloatArray) -> FloatArray:
        """(n,): log of the forecast on top of which trees are grown, with these linear weights."""
        return np.asarray(examples.offset + SHARE_BEFORE_TREES * self._linear(examples, weights))

    def forecast(self, examples: Examples, weights: FloatArray) -> FloatArray:
        """(n,): expected portions, with these linear weights and the trees."""
        linear = self._linear(examples, weights)
        if self.forest is None or not len(self.forest.finished):
            return np.asarray(np.exp(examples.offset + linear))
        with_trees = SHARE_BEFORE_TREES * linear + self._margin(examples.values)
        return np.asarray(np.exp(examples.offset + blended(linear, with_trees)))

    def _linear(self, examples: Examples, weights: FloatArray) -> FloatArray:
        design = self.standard.apply(examples.values)
        return glm.linear_predictor(design, weights)

    def _margin(self, values: NDArray[np.float32]) -> FloatArray:
        assert self.forest is not None
        codes = binned(values=values, bins=self.forest.bins)
        margin = self.forest.finished.margins(codes)
        return np.asarray(np.clip(margin, -glm.FARTHEST, glm.FARTHEST))


def blended(linear: FloatArray, with_trees: FloatArray) -> FloatArray:
    """(n,): log of forecast / level, blended from both parts: a weighted geometric mean."""
    return (1 - SHARE_OF_TREES) * linear + SHARE_OF_TREES * with_trees


def temper_of(examples: Examples) -> float:
    """The factor for the noise of a store's examples, from its days of history and its sightings
    (see :func:`neural.forecasting.core.glm.temper`)."""
    if not len(examples):
        return 1.0
    return glm.temper(len(np.unique(examples.day))) * glm.sightings(examples)
