"""What is said between a round and its stores: questions, answers, steps. Pure.

A round is a series of exchanges. In each, every store that takes part is asked the same question
and gives one answer, made from its own rows alone. A *program* says what is asked first and, from
the answers to one question, what is asked next; in between it keeps a *server state*, the model
under construction. Program, server state, questions and answers are JSON: a round may stop at any
moment and go on in another process.
"""

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from neural.errors import NeuralError
from neural.forecasting.core.series import Sales

Json: TypeAlias = dict[str, Any]

Memory: TypeAlias = MutableMapping[str, Any]
"""What a store's part keeps from one exchange to the next within a process, to save time. It may
be empty at any exchange; whatever it holds can be made again from the rows and the server state."""


class AnswerRefused(NeuralError):
    """A store's answer cannot be used. ``reason`` is a code that people see translated;
    ``detail`` is free of rows."""

    permanent = True

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


def check_stores(answer: Json, *, asked: int) -> None:
    """Raise :class:`AnswerRefused` if an answer claims to be of more or fewer stores than it was
    asked of: how many they are is the asker's to say, as what a group added up is not judged
    store by store again."""
    if "stores" in answer and (type(answer["stores"]) is not int or answer["stores"] != asked):
        raise AnswerRefused("out_of_range", f"stores is not {asked}, of how many it was asked")


class NotEnoughHistory(NeuralError):
    """A store knows too little to take part."""

    permanent = True


@dataclass(frozen=True, kw_only=True)
class Question:
    """One exchange's question. ``content`` is JSON and small: what is large stands in the server
    state, of which every store is given a copy."""

    kind: str
    number: int
    """Which exchange of the round, from 1."""
    content: Json = field(default_factory=dict)
    together: bool = False
    """Whether stores of one trust domain may add up their answers before they send them."""
    judges: bool = False
    """Whether this question has the finished model judged on days that nobody trained on."""

    def as_json(self) -> Json:
        """The question as a round's row keeps it."""
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
    """Where a program has come to."""

    server_state: Json
    question: Question | None
    """What is asked next; None when the program is through and the model is a candidate."""
    refused: Mapping[str, str] = {}
    """Stores whose answers the arithmetic left out, and why (outliers): code, or code: detail."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a round trains. Every number is the plan's, kept with the round."""

    strategy: str = "fedprox"
    """fedavg, fedprox, trimmed_mean or median."""
    fit_exchanges: int = 10
    proximal: float = 0.5
    """μ of FedProx. A store's loss is divided by its total demand, so that it has no scale."""
    ridge: float = 0.01
    clipping_norm: float = 1.0
    """Longest update of the linear weights that a store may send (L2)."""
    trim_share: float = 0.1
    """β of the trimmed mean."""
    max_examples: int = 100_000
    """No store weighs more than if it had trained on so many examples."""
    history_days: int = 365
    """How far back a store trains."""
    held_out_days: int = 14
    """The last days, kept for judging."""
    trees: int = 128
    """0: linear model alone."""
    trees_together: int = 8
    """So many trees grow side by side; their mean is one step."""
    tree_depth: int = 5
    learning_rate: float = 0.3
    bins: int = 16
    refit_exchanges: int = 3
    """After a candidate has been judged better: so many more, and the trees anew, with the days
    that were kept for judging. 0: the judged candidate is what is published."""
    noise_multiplier: float = 0.0
    """z of differential privacy at store level; 0: off. With it no trees are grown."""
    least_stores: int = 2
    """Quorum: an exchange with fewer good answers fails the round."""
    seed: int = 0
    invited_stores: int = 0
    """How many stores the round invited: the fixed denominator of differential privacy."""
    as_of: str = ""
    """Stores train as on the morning of this day (ISO 8601), by their own clocks. Empty: of the
    day on which the round is opened."""


class Program(Protocol):
    """The coordinator's arithmetic. Deterministic: the same answers give the same step."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """The first question. ``active`` is the model in force, to start from."""

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Raise :class:`AnswerRefused` unless the answer has the keys, shapes, types, version and
        finite numbers that the question asks for. Called for each answer when it comes in."""

    def go_on(
        self,
        config: TrainingConfig,
        server_state: Json,
        question: Question,
        answers: Mapping[str, Json],
    ) -> Step:
        """The next question from the good answers, by store (for a question asked ``together``:
        by the first store of those that added up). Raises :class:`AnswerRefused` if the answers
        are too few for the arithmetic."""


Answer: TypeAlias = Callable[[TrainingConfig, Json, Question, Sales, Memory], Json]
"""A store's part: ``answer(config, server_state, question, sales, memory)``. One plain function,
from arrays to JSON, that knows nothing of Django: Flower's ClientApp can wrap it."""


class Together(NamedTuple):
    """What stores of one trust domain answered together."""

    answer: Json
    refused: Mapping[str, str]
    """Stores that were left out of it, and why."""


AnswerTogether: TypeAlias = Callable[
    [TrainingConfig, Json, Question, Mapping[str, tuple[Sales, Memory]]], Together
]
"""The part of several stores of one trust domain, added up."""
