"""The protocol between a round and its stores: questions, answers, steps. Pure.

A round is a series of exchanges. In each exchange, every store that takes part gets the same
question and gives one answer, made from its own rows alone. A *program* chooses the first
question and derives each next question from the answers to the last one. In between it keeps a
*server state*, the model under construction. Server state, questions and answers are JSON, so a
round may stop at any moment and continue in another process.
"""

import json
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from neural.forecasting.core.series import Sales
from neural.kit.errors import NeuralError

Json: TypeAlias = dict[str, Any]

Memory: TypeAlias = MutableMapping[str, Any]
"""A cache of a store's part, from one exchange to the next within a process. It may be empty at
any exchange: its content can be made again from the rows and the server state."""


class AnswerRefused(NeuralError):
    """A store's answer cannot be used. ``reason`` is a code that people see translated;
    ``detail`` never contains rows."""

    permanent = True

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class NotEnoughHistory(NeuralError):
    """A store has too little history to take part."""

    permanent = True


@dataclass(frozen=True, kw_only=True)
class Question:
    """One exchange's question. ``content`` is JSON and small: anything large belongs into the
    server state, of which every store gets a copy."""

    kind: str
    number: int
    """The number of the exchange within the round, from 1."""
    content: Json = field(default_factory=dict)
    together: bool = False
    """Whether stores of one trust domain may add up their answers before they send them."""
    judges: bool = False
    """Whether stores judge the finished model by this question, on days that nobody trained on."""

    def as_json(self) -> Json:
        """The question as JSON for the round's row."""
        return {
            "kind": self.kind,
            "number": self.number,
            "content": self.content,
            "together": self.together,
            "judges": self.judges,
        }

    @classmethod
    def from_json(cls, value: Json) -> "Question":
        """The question that :meth:`as_json` wrote."""
        return cls(**value)


class Step(NamedTuple):
    """A program's result after an exchange: the new server state and the next question."""

    server_state: Json
    question: Question | None
    """The next question; None when the program is finished and the model is a candidate."""
    refused: Mapping[str, str] = {}
    """Stores whose answers the arithmetic left out (outliers), with the reason: ``code``, or
    ``code: detail``."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of a round's training. Each is copied from the plan and kept with the round."""

    fit_exchanges: int = 10
    proximal: float = 0.5
    """μ of FedProx. It needs no scale: a store's loss is divided by its total demand."""
    ridge: float = 0.01
    clipping_norm: float = 1.0
    """The longest update of the linear weights that a store may send (L2 norm)."""
    max_examples: int = 100_000
    """No store weighs more than if it had trained on this many examples."""
    history_days: int = 365
    """How many days back a store trains."""
    held_out_days: int = 14
    """How many of the last days are kept back for judging."""
    trees: int = 128
    """0: the linear model alone."""
    trees_together: int = 8
    """How many trees grow side by side; their mean is one step."""
    tree_depth: int = 5
    learning_rate: float = 0.3
    bins: int = 16
    refit_exchanges: int = 3
    """How many exchanges a refit adds. A judged candidate is trained further, and its trees are
    grown anew, with the held-out days included. 0: keep it as it was judged."""
    least_stores: int = 2
    """Quorum: an exchange with fewer good answers fails the round."""
    seed: int = 0
    as_of: str = ""
    """Stores train as on the morning of this day (ISO 8601), by their own clocks. Empty: the day
    on which the round is opened."""


class Program(Protocol):
    """The coordinator's arithmetic. It is deterministic: the same answers give the same step."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """The step with the first question. ``active`` is the model in force, to start from."""

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Raise :class:`AnswerRefused` unless the answer has the keys, shapes, types, version and
        finite numbers that the question asks for. Called for each answer on arrival."""

    def go_on(
        self,
        config: TrainingConfig,
        server_state: Json,
        question: Question,
        answers: Mapping[str, Json],
    ) -> Step:
        """The next step from the good answers. ``answers`` is keyed by store; for a question
        asked ``together``, by the first store of each group. Raises :class:`AnswerRefused` if
        there are too few answers."""


Answer: TypeAlias = Callable[[TrainingConfig, Json, Question, Sales, Memory], Json]
"""A store's part: ``answer(config, server_state, question, sales, memory)``. It is a plain
function from arrays to JSON without Django, so Flower's ClientApp can wrap it."""


def check_answer(
    program: Program, config: TrainingConfig, step: Step, answer: Any, *, asked: int
) -> None:
    """Raise :class:`AnswerRefused` unless an answer for ``asked`` stores is JSON with finite
    numbers, claims no other number of stores, and is what the program asks for."""
    if not isinstance(answer, dict):
        raise AnswerRefused("wrong_type", type(answer).__name__)
    try:
        json.dumps(answer, allow_nan=False)
    except ValueError as error:
        raise AnswerRefused("not_finite") from error
    except (TypeError, RecursionError) as error:
        raise AnswerRefused("not_json", type(error).__name__) from error
    # The coordinator alone decides this number, because a sum is not judged store by store again.
    if "stores" in answer and (type(answer["stores"]) is not int or answer["stores"] != asked):
        raise AnswerRefused("out_of_range", f"stores is not {asked}, of how many it was asked")
    assert step.question is not None
    try:
        program.check(config, step.server_state, step.question, answer)
    except AnswerRefused:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        # An answer that makes the check itself fail has a wrong form.
        raise AnswerRefused("wrong_shape", type(error).__name__) from error


class Together(NamedTuple):
    """The joint answer of stores of one trust domain."""

    answer: Json
    refused: Mapping[str, str]
    """Stores that were left out of the answer, with the reason."""


AnswerTogether: TypeAlias = Callable[
    [TrainingConfig, Json, Question, Mapping[str, tuple[Sales, Memory]]], Together
]
"""The part of several stores of one trust domain: like :data:`Answer`, but their answers are added
up before they are sent."""
