"""What a phase of a round is: one question, asked in one exchange or several. Pure.

A phase keeps no state: what a round has come to stands in its server state, and what a store has
made of its rows in the store's memory.
"""

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias

from neural.forecasting.core import aggregation
from neural.forecasting.core.encoding import decode, encode
from neural.forecasting.core.phases.store import StorePart
from neural.forecasting.core.protocol import (
    AnswerRefused,
    Json,
    Question,
    Together,
    TrainingConfig,
)
from neural.forecasting.core.series import HORIZONS, FloatArray

MOST_DISHES = 1000
LARGEST_DEMAND = 1e12
LARGEST_SUM = 1e18
STORES_TO_TRIM = 5
"""From so many stores on, the extremes of what describes them are cut."""

Answers: TypeAlias = Mapping[str, Json]
"""By store, in order of the stores' codes."""


class Combined(NamedTuple):
    """What answers add up to."""

    changes: Json
    """What is new in the server state."""
    refused: Mapping[str, str] = {}
    """Stores whose answers the arithmetic left out, and why."""


class Phase(ABC):
    """One question of a round: when it is asked, what a store answers, what an answer may hold,
    and what all answers add up to."""

    name: ClassVar[str]
    """By which rounds keep the question; people read a title that the admin has for it."""
    keys: ClassVar[frozenset[str]]
    """Those of an answer: all that leaves a store."""
    together: ClassVar[bool] = False
    """Whether stores of one trust domain may add up their answers before they send them."""
    judges: ClassVar[bool] = False
    """Whether it has the finished model judged on days that nobody trained on."""
    releases: ClassVar[bool] = False
    """Whether its answers become a noisy release, where noise is asked for."""
    least_examples: ClassVar[int] = 1
    """With fewer a store has nothing to answer by."""

    # What is asked

    def is_skipped(self, config: TrainingConfig) -> bool:
        """Whether rounds of this plan do without it."""
        return False

    def exchanges(self, config: TrainingConfig, *, refit: bool) -> int:
        """In how many exchanges it is asked, before the candidate is judged or when it is
        refitted."""
        return 1

    def is_through(self, config: TrainingConfig, server_state: Json) -> bool:
        """Whether it need not be asked once more, after its answers have become part of the
        server state."""
        return True

    def question(self, server_state: Json, number: int) -> Question:
        """What stores are asked in the exchange of this number."""
        return Question(
            kind=self.name,
            number=number,
            content={"base": self.base(server_state, number)},
            together=self.together,
            judges=self.judges,
        )

    def base(self, server_state: Json, number: int) -> str:
        """A short name for the server state, by which an answer says what it was made
        from."""
        model = server_state["model"]
        forest = model["forest"]
        state = forest and (forest["finished"]["value"]["shape"], forest["feature"]["shape"])
        return fingerprint(self.name, number, model["weights"]["data"], state)

    # What a store does

    @abstractmethod
    def answer(self, store: StorePart) -> Json:
        """What a store answers, from its own rows alone."""

    def answer_together(self, parts: Mapping[str, StorePart]) -> Together:
        """What several stores of one trust domain answer, where they may add up."""
        raise NotImplementedError(f"stores answer {self.name} one by one")

    # What the coordinator does

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Refuse an answer with other keys, from another state of the server state, out of
        range."""
        if not isinstance(answer, dict) or set(answer) != self.keys:
            raise AnswerRefused("wrong_keys", f"not those of {self.name}")
        if answer["base"] != question.content["base"]:
            raise AnswerRefused("wrong_version", f"made from {str(answer['base'])[:16]!r}")
        if "examples" in answer:
            _check_examples(config, answer["examples"], least=self.least_examples)
        self.check_content(config, server_state, answer)

    @abstractmethod
    def check_content(self, config: TrainingConfig, server_state: Json, answer: Json) -> None:
        """Refuse an answer of the right keys that says what no honest store can say."""

    @abstractmethod
    def combine(self, config: TrainingConfig, server_state: Json, answers: Answers) -> Combined:
        """What the good answers make of the server state."""


def is_private(config: TrainingConfig) -> bool:
    """Whether a round's linear weights are released with noise."""
    return config.noise_multiplier > 0


def fingerprint(*parts: object) -> str:
    """A short name for the server state."""
    text = "\n".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


# What answers must be


def _check_examples(config: TrainingConfig, examples: object, *, least: int) -> None:
    if type(examples) is not int or examples < least:
        raise AnswerRefused("wrong_type", f"examples is no whole number from {least} on")
    if examples > config.history_days * MOST_DISHES * HORIZONS:
        raise AnswerRefused("too_many_examples", "more than a store can have")


def check_number(value: Any) -> None:
    """Raise :class:`AnswerRefused` unless a value is a sum: a float, finite, not below 0."""
    if not isinstance(value, float):
        raise AnswerRefused("wrong_type", "a sum is no number")
    if not math.isfinite(value) or not 0 <= value <= LARGEST_SUM:
        raise AnswerRefused("out_of_range", "a sum")


# What answers add up to


def arrays(answers: Answers, name: str, size: int) -> dict[str, FloatArray]:
    """By store, (size,): this array of its answer."""
    return {
        store: decode(answer[name], dtype="<f8", shape=(size,)) for store, answer in answers.items()
    }


def typical(values: Mapping[str, FloatArray], config: TrainingConfig) -> FloatArray:
    """The mean over stores, without the extremes where there are enough stores."""
    if len(values) < STORES_TO_TRIM:
        return aggregation.weighted_mean(values, weights=dict.fromkeys(values, 1.0))
    # Whatever the plan says, one is left in the middle.
    most = (len(values) - 1) // 2 / len(values)
    return aggregation.trimmed_mean(values, trim_share=min(config.trim_share, most))


def with_arrays(server_state: Json, **changes: FloatArray) -> Json:
    """The server state's model with other arrays."""
    return {**server_state["model"], **{name: encode(each) for name, each in changes.items()}}
