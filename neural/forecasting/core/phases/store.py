"""A store's side of an exchange: its examples, forecasts and cache. Pure.

No row, no target and no forecast of a day leaves a store; each phase's ``keys`` list what does.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from neural.forecasting.core import glm
from neural.forecasting.core.baselines import steadied
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.features import HORIZONS_EACH, Examples, training_examples
from neural.forecasting.core.protocol import (
    Json,
    Memory,
    NotEnoughHistory,
    Question,
    TrainingConfig,
)
from neural.forecasting.core.series import FloatArray, Sales

LEAST_DAYS = 28
"""With fewer known days a store cannot take part."""


class StorePart:
    """A store's data for one exchange. Slow results are kept in its memory for later exchanges."""

    def __init__(
        self,
        config: TrainingConfig,
        server_state: Json,
        question: Question,
        sales: Sales,
        memory: Memory,
    ) -> None:
        self.config, self.server_state, self.question = config, server_state, question
        self.sales = sales
        # Examples without the held-out days are of no use to a refit, and large.
        of = "refit" if self.is_refit else "first"
        if of not in memory:
            memory.clear()
            memory[of] = {}
        self.memory: Memory = memory[of]

    @property
    def base(self) -> str:
        """The question's fingerprint of the server state."""
        return str(self.question.content["base"])

    @property
    def first_held_out(self) -> int:
        """The row of the first held-out day."""
        return self.sales.days - self.config.held_out_days

    @property
    def is_refit(self) -> bool:
        """Whether this is a refit, which trains on the held-out days, too."""
        return "judged_model" in self.server_state

    @property
    def train(self) -> Examples:
        """The training examples. Raises :class:`NotEnoughHistory` if the store has too little
        history."""
        return self.kept("train", self._training_examples)

    @property
    def held_out(self) -> Examples:
        """The examples of the held-out days, for judging."""
        return self.kept("held_out", self._held_out_examples)

    @property
    def model(self) -> DemandModel:
        """The model under construction."""
        return DemandModel.from_json(self.server_state["model"])

    @property
    def problem(self) -> glm.LocalObjective:
        """The store's loss. It is not cached: it is as large as the examples, and computed in a
        millisecond."""
        return self.model.problem(self.train)

    @property
    def forecasts(self) -> FloatArray:
        """The forecasts of the held-out days by the model under construction."""
        return self.kept("forecasts", self._forecasts)

    def kept(self, name: str, make: Callable[[], Any]) -> Any:
        """The entry of the store's memory under this name, made by ``make`` if it is missing."""
        if name not in self.memory:
            self.memory[name] = make()
        return self.memory[name]

    def _training_examples(self) -> Examples:
        known = int(np.isfinite(self.sales.quantities).any(axis=1).sum())
        if known < LEAST_DAYS:
            raise NotEnoughHistory(f"{known} days are known, {LEAST_DAYS} are needed")
        end = self.sales.days if self.is_refit else self.first_held_out
        examples = training_examples(
            self.sales,
            first_day=end - self.config.history_days,
            end_day=end,
            horizons_each=HORIZONS_EACH,
        )
        if not len(examples):
            raise NotEnoughHistory("no dish has been sold for long enough")
        return examples

    def _held_out_examples(self) -> Examples:
        return training_examples(
            self.sales,
            first_day=self.first_held_out,
            end_day=self.sales.days,
            chain=self.model.chain(self.sales),
        )

    def _forecasts(self) -> FloatArray:
        model = self.model
        weights = model.personal_weights(self.train, self.problem)
        return steadied(self.sales, self.held_out, model.forecast(self.held_out, weights))
