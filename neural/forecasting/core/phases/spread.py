"""The phase in which stores report how far their own optima are from the chain's weights. Pure."""

import numpy as np

from neural.forecasting.core import personal
from neural.forecasting.core.demand_model import size_of
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.phases.phase import (
    Answers,
    Combined,
    Phase,
    arrays,
    is_private,
    typical,
    with_arrays,
)
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig


class Spread(Phase):
    """Asks for a squared deviation beyond chance for each weight. Their mean over the stores is the
    prior variance: it limits how far a store's personal weights may deviate."""

    name = "spread"
    keys = frozenset({"base", "excess"})

    def is_skipped(self, config: TrainingConfig) -> bool:
        """A private round skips this phase, because no noise protects its answers."""
        return is_private(config)

    def answer(self, store: StorePart) -> Json:
        found = personal.spread(
            store.problem,
            centre=store.model.weights,
            ridge=store.config.ridge,
            # Not the temper of the store's history: with it, a store of few weeks would seem to
            # differ by chance alone. The variance is learned from all stores.
            temper=personal.sightings(store.train),
        )
        return {"base": store.base, "excess": encode(found.excess, dtype="<f8")}

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        size = size_of(server_state["model"])
        excess = decode(answer["excess"], dtype="<f8", shape=(size,))
        if (np.abs(excess) > personal.LARGEST_VARIANCE).any():
            raise AnswerRefused("out_of_range", "a squared deviation")

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        excess = arrays(answers, "excess", size_of(server_state["model"]))
        variance = personal.prior_variance(typical(excess, config))
        return Combined({"model": with_arrays(server_state, variance=variance)})
