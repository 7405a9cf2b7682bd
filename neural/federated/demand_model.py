"""The demand model: what a version holds, and what it says of a store's examples. Pure.

The content of a version is JSON: the standard of the features, the chain's linear weights, the
prior variance of personal weights, the trees, usual levels of dishes, the dispersion. A store's
personal weights are made from its own rows where they are needed, and never leave it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from neural.federated import glm, personal, trees
from neural.federated.binning import binned
from neural.federated.encoding import decode, encode
from neural.federated.features import FEATURES, SCHEMA_HASH, Examples
from neural.federated.protocol import AnswerRefused, Json
from neural.federated.series import FloatArray

SIZE = len(FEATURES) + 1
"""Weights of the linear model, the intercept first."""
SHARE_OF_TREES = 0.5
"""Half and half: the geometric mean of both forecasts. Weights that were learned did no better."""


@dataclass(frozen=True, kw_only=True)
class DemandModel:
    """What stores share."""

    standard: glm.Standard
    weights: FloatArray
    """(SIZE,): the chain's, of standardised features."""
    variance: FloatArray
    """(SIZE,): of the stores around them."""
    forest: trees.Draft | None = None
    levels: Mapping[str, float] = field(default_factory=dict)
    """Usual level of a dish in portions a day, where enough stores sell it."""

    def as_json(self) -> Json:
        """The model as a draft and a version keep it."""
        return {
            "schema": SCHEMA_HASH,
            "mean": encode(self.standard.mean, dtype="<f8"),
            "scale": encode(self.standard.scale, dtype="<f8"),
            "weights": encode(self.weights, dtype="<f8"),
            "variance": encode(self.variance, dtype="<f8"),
            "forest": self.forest and self.forest.as_json(),
            "levels": dict(self.levels),
        }

    @classmethod
    def from_json(cls, value: Json) -> "DemandModel":
        """The model that :meth:`as_json` wrote. Raises AnswerRefused (``wrong_version``) for one
        of other features: it cannot be used with these."""
        if value.get("schema") != SCHEMA_HASH:
            raise AnswerRefused("wrong_version", "the model was made with other features")
        features = (len(FEATURES),)
        forest = value["forest"]
        return cls(
            standard=glm.Standard(
                mean=decode(value["mean"], dtype="<f8", shape=features),
                scale=decode(value["scale"], dtype="<f8", shape=features),
            ),
            weights=decode(value["weights"], dtype="<f8", shape=(SIZE,)),
            variance=decode(value["variance"], dtype="<f8", shape=(SIZE,)),
            forest=None if forest is None else trees.Draft.from_json(forest),
            levels=value["levels"],
        )

    def personal_weights(self, train: Examples, problem: glm.Problem | None = None) -> FloatArray:
        """(SIZE,): the store's own, from its examples; the chain's where it has none."""
        if not len(train):
            return self.weights
        return personal.personal_weights(
            problem or glm.problem(train, self.standard),
            centre=self.weights,
            variance=self.variance,
            temper=temper_of(train),
        )

    def forecast(self, examples: Examples, weights: FloatArray) -> FloatArray:
        """(n,): expected portions, with these linear weights and the trees."""
        design = self.standard.apply(examples.values)
        predictor = glm.linear_predictor(design, weights)
        if self.forest is not None and len(self.forest.finished):
            margin = self._margin(examples.values)
            predictor = (1 - SHARE_OF_TREES) * predictor + SHARE_OF_TREES * margin
        return np.asarray(np.exp(examples.offset + predictor))

    def _margin(self, values: NDArray[np.float32]) -> FloatArray:
        assert self.forest is not None
        codes = binned(values=values, bins=self.forest.bins)
        margin = self.forest.finished.margins(codes)
        return np.asarray(np.clip(margin, -glm.FARTHEST, glm.FARTHEST))


def temper_of(examples: Examples) -> float:
    """What the noise of a store's examples is multiplied by, from its days of history."""
    if not len(examples):
        return 1.0
    return personal.temper(len(np.unique(examples.day))) * personal.sightings(examples)
