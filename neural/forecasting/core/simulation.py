"""Simulates a whole round in memory, over stores given as arrays. Pure.

It runs the same program and the same store's part as a real round, without database and queues.
It serves for measurements, and to see how a store's answers affect the others.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from neural.forecasting.core.protocol import (
    AnswerRefused,
    Json,
    Memory,
    NotEnoughHistory,
    Question,
    TrainingConfig,
    check_stores,
)
from neural.forecasting.core.series import Sales
from neural.forecasting.core.types import ModelType

Tamper = Callable[[str, Question, Json], Json]
"""``tamper(store, question, answer)``: the answer that a hostile store sends instead."""


@dataclass
class Simulated:
    """The result of a simulated round."""

    server_state: Json
    refused: dict[str, str] = field(default_factory=dict)
    """Stores that were left out, with the reason."""
    judged: dict[str, Json] = field(default_factory=dict)
    """By store: its answer to the last question by which stores judged the model."""
    exchanges: int = 0


def simulate(
    *,
    kind: ModelType,
    config: TrainingConfig,
    stores: Mapping[str, Sales],
    active: Json | None = None,
    group: int = 25,
    tamper: Tamper | None = None,
) -> Simulated:
    """Train over these stores; up to ``group`` of them answer a ``together`` question as one.

    ``active`` is the model in force, to start from. With ``tamper``, stores answer singly. Raises
    :class:`AnswerRefused` when the program cannot go on.
    """
    taking_part: dict[str, tuple[Sales, Memory]] = {
        name: (sales, {}) for name, sales in sorted(stores.items())
    }
    step = kind.program.begin(config, active)
    done = Simulated(step.server_state)
    while step.question is not None:
        question, answers = step.question, {}
        for name, answer, refused, asked in _answers(
            kind, config, step.server_state, question, taking_part, group if tamper is None else 1
        ):
            done.refused.update(refused)
            try:
                sent = tamper(name, question, answer) if tamper else answer
                check_stores(sent, asked=asked)
                kind.program.check(config, step.server_state, question, sent)
                answers[name] = sent
            except AnswerRefused as error:
                done.refused[name] = str(error)
        step = kind.program.go_on(config, step.server_state, question, answers)
        done.refused.update(step.refused)
        for name in done.refused:
            taking_part.pop(name, None)
        done.server_state, done.exchanges = step.server_state, question.number
        done.judged = answers if question.judges else done.judged
    return done


def _answers(
    kind: ModelType,
    config: TrainingConfig,
    server_state: Json,
    question: Question,
    stores: Mapping[str, tuple[Sales, Memory]],
    group: int,
) -> Iterator[tuple[str, Json, Mapping[str, str], int]]:
    if question.together and kind.answer_together and group > 1:
        for names in _groups(list(stores), group):
            together = kind.answer_together(
                config, server_state, question, {name: stores[name] for name in names}
            )
            asked = len(names) - len(together.refused)
            yield names[0], together.answer, together.refused, asked
        return
    for name, (sales, memory) in stores.items():
        try:
            yield name, kind.answer(config, server_state, question, sales, memory), {}, 1
        except NotEnoughHistory as error:
            yield name, {}, {name: f"no_history: {error}"}, 1


def _groups(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), size):
        yield names[start : start + size]
