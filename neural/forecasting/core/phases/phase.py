"""The base class of a round's phases, and a store's side of an exchange. Pure.

A phase is one question, asked in one exchange or several. It keeps no state: a round's progress is
in its server state, and anything a store has computed from its rows is in the store's memory. No
row, no target and no forecast of a day leaves a store; each phase's ``keys`` list what does."""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

import numpy as np

from neural.forecasting.core import aggregation, glm
from neural.forecasting.core.demand_model import DemandModel
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.evaluation import steadied
from neural.forecasting.core.features import HORIZONS_EACH, Examples, training_examples
from neural.forecasting.core.protocol import (
    AnswerRefused,
    Json,
    Memory,
    NotEnoughHistory,
    Question,
    Together,
    TrainingConfig,
)
from neural.forecasting.core.series import HORIZONS, FloatArray, Sales

LEAST_DAYS = 28
"""With fewer known days a store cannot take part."""
LEAST_JUDGED = 10
"""A store judges by at least this many open days."""


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
        if question.kind != "grow":  # rows in the form that trees need are as large as examples
            self.memory.pop("together", None)

    @property
    def base(self) -> str:
        """The question's fingerprint of the server state."""
        return str(self.question.content["base"])

    @property
    def first_held_out(self) -> int:
        """The row of the first held-out day. At least :data:`LEAST_JUDGED` open days are held out,
        so a store that was closed for holidays is judged on days before them, too."""
        opened = np.flatnonzero(np.isfinite(self.sales.quantities).any(axis=1))
        first = self.sales.days - self.config.held_out_days
        return min(first, int(opened[-LEAST_JUDGED])) if len(opened) >= LEAST_DAYS else first

    @property
    def is_refit(self) -> bool:
        """Whether this is a refit, which trains on the held-out days, too."""
        return "judged_model" in self.server_state

    @property
    def train(self) -> Examples:
        """The training examples. Raises :class:`NotEnoughHistory` if the store has too little
        history."""
        return self.cached("train", self._training_examples)

    @property
    def held_out(self) -> Examples:
        """The examples of the held-out days, for judging."""
        return self.cached("held_out", self._held_out_examples)

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
        return self.cached("forecasts", self._forecasts)

    def cached(self, name: str, make: Callable[[], Any]) -> Any:
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


MOST_DISHES = 1000
LARGEST_DEMAND = 1e12
LARGEST_SUM = 1e18
STORES_TO_TRIM, TRIM_SHARE = 5, 0.1
"""From this many stores on, :func:`typical` cuts this share of them at each end."""

Answers: TypeAlias = Mapping[str, Json]
"""Answers by store, in order of the stores' codes."""


class Combined(NamedTuple):
    """The result of combining answers."""

    changes: Json
    """The keys of the server state that change."""
    refused: Mapping[str, str] = {}
    """Stores whose answers the arithmetic left out, with the reason."""


class Phase(ABC):
    """One question of a round: when it is asked, what a store answers, what an answer may contain,
    and how all answers are combined."""

    name: ClassVar[str]
    """The question's ``kind``, which a round keeps; the admin has a title for people."""
    keys: ClassVar[frozenset[str]]
    """The keys of an answer. Nothing else leaves a store."""
    together: ClassVar[bool] = False
    """Whether stores of one trust domain may add up their answers before they send them."""
    judges: ClassVar[bool] = False
    """Whether stores judge the finished model, on days that nobody trained on."""
    least_examples: ClassVar[int] = 1
    """An answer made from fewer examples is refused."""

    # When and what it asks

    def is_skipped(self, config: TrainingConfig) -> bool:
        """Whether rounds with these settings do without this phase."""
        return False

    def exchanges(self, config: TrainingConfig, *, refit: bool) -> int:
        """The number of exchanges of this phase before the candidate is judged, or (``refit``)
        when it is refitted."""
        return 1

    def is_through(self, config: TrainingConfig, server_state: Json) -> bool:
        """Whether the phase is finished, once its answers are part of the server state."""
        return True

    def question(self, server_state: Json, number: int) -> Question:
        """The question for the exchange of this number."""
        return Question(
            kind=self.name,
            number=number,
            content={"base": self.base(server_state, number)},
            together=self.together,
            judges=self.judges,
        )

    def base(self, server_state: Json, number: int) -> str:
        """A fingerprint of the server state, by which an answer names the state it was made
        from."""
        model = server_state["model"]
        forest = model["forest"]
        state = forest and (forest["finished"]["value"]["shape"], forest["feature"]["shape"])
        return fingerprint(self.name, number, model["weights"]["data"], state)

    # What a store does

    @abstractmethod
    def answer(self, store: StorePart) -> Json:
        """A store's answer, made from its own rows alone."""

    def answer_together(self, parts: Mapping[str, StorePart]) -> Together:
        """The joint answer of several stores of one trust domain, for phases with ``together``."""
        raise NotImplementedError(f"stores answer {self.name} one by one")

    # What the coordinator does

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Raise :class:`AnswerRefused` for an answer with other keys, made from another server
        state, or out of range."""
        if not isinstance(answer, dict) or set(answer) != self.keys:
            raise AnswerRefused("wrong_keys", f"not those of {self.name}")
        if answer["base"] != question.content["base"]:
            raise AnswerRefused("wrong_version", f"made from {str(answer['base'])[:16]!r}")
        if "examples" in answer:
            _check_examples(config, answer["examples"], least=self.least_examples)
        self.check_content(config, server_state, answer)

    @abstractmethod
    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        """Raise :class:`AnswerRefused` for an answer that no honest store can give. Its keys are
        already known to be right."""

    @abstractmethod
    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        """Combine the good answers into changes of the server state."""


def fingerprint(*parts: object) -> str:
    """A short hash of the parts (16 hexadecimal digits)."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# Checks of answers


def _check_examples(config: TrainingConfig, examples: object, *, least: int) -> None:
    if type(examples) is not int or examples < least:
        raise AnswerRefused("wrong_type", f"examples is no whole number from {least} on")
    if examples > config.history_days * MOST_DISHES * HORIZONS:
        raise AnswerRefused("too_many_examples", "more than a store can have")


def check_number(value: Any) -> None:
    """Raise :class:`AnswerRefused` unless a value can be a sum: a finite float from 0 to 1e18."""
    if not isinstance(value, float):
        raise AnswerRefused("wrong_type", "a sum is no number")
    if not math.isfinite(value) or not 0 <= value <= LARGEST_SUM:
        raise AnswerRefused("out_of_range", "a sum")


# Combining answers


def arrays(answers: Answers, name: str, size: int) -> dict[str, FloatArray]:
    """The array ``name`` of each answer, by store, (size,) each."""
    return {
        store: decode(answer[name], dtype="<f8", shape=(size,)) for store, answer in answers.items()
    }


def typical(values: Mapping[str, FloatArray]) -> FloatArray:
    """The mean over stores, without the extremes if there are enough stores."""
    if len(values) < STORES_TO_TRIM:
        return aggregation.weighted_mean(values, weights=dict.fromkeys(values, 1.0))
    return aggregation.trimmed_mean(values, trim_share=TRIM_SHARE)


def with_arrays(server_state: Json, **changes: FloatArray) -> Json:
    """The server state's model with these arrays replaced."""
    return {**server_state["model"], **{name: encode(each) for name, each in changes.items()}}
