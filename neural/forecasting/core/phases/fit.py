"""The phases of the linear model. Pure.

Stores improve the chain's weights, exchange after exchange (:class:`Fit`), and report how far their
own optima are from them (:class:`Spread`)."""

import numpy as np

from neural.forecasting.core import aggregation, glm
from neural.forecasting.core.demand_model import SIZE, DemandModel
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.phases.phase import (
    LARGEST_DEMAND,
    Answers,
    Combined,
    Phase,
    StorePart,
    arrays,
    typical,
    with_arrays,
)
from neural.forecasting.core.protocol import AnswerRefused, Json, TrainingConfig


class Fit(Phase):
    """Asks each store for an update of the linear weights, no longer than the clipping norm; the
    updates are aggregated into one step."""

    name = "fit"
    keys = frozenset({"base", "examples", "demand", "update", "update_norm"})

    def exchanges(self, config: TrainingConfig, *, refit: bool) -> int:
        return refits(config) if refit else config.fit_exchanges

    def is_through(self, config: TrainingConfig, server_state: Json) -> bool:
        return bool(server_state["fits"] >= config.fit_exchanges)

    def answer(self, store: StorePart) -> Json:
        config, broadcast, problem = store.config, store.model.weights, store.problem
        trained = glm.fedprox(
            problem, broadcast=broadcast, ridge=config.ridge, proximal=config.proximal
        )
        update = aggregation.clip(trained - broadcast, norm=config.clipping_norm)
        return {
            "base": store.base,
            "examples": len(store.train),
            "demand": problem.total,
            "update": encode(update, dtype="<f8"),
            "update_norm": aggregation.update_norm(update),
        }

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        update = decode(answer["update"], dtype="<f8", shape=(SIZE,))
        if not isinstance(answer["demand"], float) or not 0 < answer["demand"] < LARGEST_DEMAND:
            raise AnswerRefused("out_of_range", "demand")
        length = aggregation.update_norm(update)
        if length > config.clipping_norm * (1 + 1e-9):
            raise AnswerRefused("norm", f"{length:.3g} is longer than {config.clipping_norm:g}")
        if not isinstance(answer["update_norm"], float) or answer["update_norm"] != length:
            raise AnswerRefused("out_of_range", "update_norm is not the update's")

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        model = DemandModel.from_json(server_state["model"])
        size = len(model.weights)
        updates = arrays(answers, "update", size)
        demand = {store: answer["demand"] for store, answer in answers.items()}
        step = aggregation.aggregate(config=config, updates=updates, claimed=demand)
        weights = model.weights + step
        return Combined(
            {"fits": server_state["fits"] + 1, "model": with_arrays(server_state, weights=weights)}
        )


def refits(config: TrainingConfig) -> int:
    """The number of exchanges of the linear model in a refit."""
    return min(config.refit_exchanges, config.fit_exchanges)


class Spread(Phase):
    """Asks for a squared deviation beyond chance for each weight. Their mean over the stores is the
    prior variance: it limits how far a store's personal weights may deviate."""

    name = "spread"
    keys = frozenset({"base", "excess"})

    def answer(self, store: StorePart) -> Json:
        found = glm.spread(
            store.problem,
            centre=store.model.weights,
            ridge=store.config.ridge,
            # Not the temper of the store's history: with it, a store of few weeks would seem to
            # differ by chance alone. The variance is learned from all stores.
            temper=glm.sightings(store.train),
        )
        return {"base": store.base, "excess": encode(found.excess, dtype="<f8")}

    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        excess = decode(answer["excess"], dtype="<f8", shape=(SIZE,))
        if (np.abs(excess) > glm.LARGEST_VARIANCE).any():
            raise AnswerRefused("out_of_range", "a squared deviation")

    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        excess = arrays(answers, "excess", SIZE)
        variance = glm.prior_variance(typical(excess))
        return Combined({"model": with_arrays(server_state, variance=variance)})
