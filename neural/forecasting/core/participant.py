"""A participant of a round, which answers for all stores of its trust domain; a round in memory.

The stores of one database are one participant: nothing has to be hidden from the process that reads
all of them, so it adds up what can be added up and sends one answer. A store on a machine of its
own is a participant with one store. :func:`answers_of` is the whole of a participant: a plain
function of a question and rows, without Django. Its answers are checked like those of anybody.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from math import inf
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from neural.forecasting.core.model_types import ModelType
from neural.forecasting.core.protocol import (
    AnswerRefused,
    Json,
    Memory,
    NotEnoughHistory,
    Step,
    TrainingConfig,
    check_answer,
)
from neural.forecasting.core.series import Sales

Stores: TypeAlias = dict[str, tuple[Sales, Memory]]
"""Stores with what they remember from one exchange to the next, in order of their codes."""
Tamper: TypeAlias = Callable[[str, Any, Json], Json]
"""``tamper(store, question, answer)``: the answer that a hostile store sends instead."""


class Refusal(NamedTuple):
    """Why a store takes no further part in a round. ``state`` is ``failed``, ``rejected`` or
    ``left_out``, ``reason`` a code; ``detail`` never contains rows."""

    state: str
    reason: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason

    @classmethod
    def left_out(cls, why: str) -> "Refusal":
        """That of an outlier; ``why`` is ``code``, or ``code: detail``."""
        reason, _, detail = why.partition(": ")
        return cls("left_out", reason, detail)

    @classmethod
    def of(cls, error: Exception) -> "Refusal":
        """That of a store whose part raised. The message could contain rows, so only that of a
        refused answer is kept."""
        if isinstance(error, AnswerRefused):
            return cls("rejected", error.reason, error.detail)
        if isinstance(error, NotEnoughHistory):
            return cls("failed", "no_history")
        return cls("failed", "error", type(error).__name__)


class Exchange(NamedTuple):
    """What came of one question."""

    before: Step
    answers: Mapping[str, Json]
    """The good answers by store; a joint answer by its first store."""
    refused: Mapping[str, Refusal]
    """Stores that take no further part."""
    step: Step | None
    """The step that follows; None if fewer stores are left than the quorum."""


def exchanges(
    *,
    kind: ModelType,
    config: TrainingConfig,
    stores: Stores,
    step: Step,
    refused: Mapping[str, Refusal] | None = None,
    quorum: int = 1,
    memory_bytes: float = inf,
    tamper: Tamper | None = None,
) -> Iterator[Exchange]:
    """Go on from a step to the end of the round, and yield each exchange.

    Stores that cannot be used are removed from ``stores``; those ``refused`` before are told of
    with the first exchange. Stores' examples are kept from one exchange to the next as long as they
    fit into ``memory_bytes``, and else made again. With ``tamper``, stores answer singly. Raises
    :class:`AnswerRefused` if the program cannot go on.
    """
    out, following = dict(refused or {}), step
    while (question := following.question) is not None:
        before = following
        answers, more = answers_of(kind, config, before, stores, memory_bytes, tamper)
        out |= more
        if len(stores) - len(more) >= quorum:
            following = kind.program.go_on(config, before.server_state, question, answers)
            more |= {name: Refusal.left_out(why) for name, why in following.refused.items()}
            out |= more
        for name in more:
            stores.pop(name, None)
        is_quorate = len(stores) >= quorum
        yield Exchange(before, answers, out, following if is_quorate else None)
        if not is_quorate:
            return
        out = {}


def answers_of(
    kind: ModelType,
    config: TrainingConfig,
    step: Step,
    stores: Stores,
    memory_bytes: float = inf,
    tamper: Tamper | None = None,
) -> tuple[dict[str, Json], dict[str, Refusal]]:
    """A participant's checked answers to the step's question, and the stores that have none."""
    assert step.question is not None
    if step.question.together and kind.answer_together and tamper is None:
        return _joint_answer(kind, config, step, stores)
    answers: dict[str, Json] = {}
    refused: dict[str, Refusal] = {}
    held = 0
    for name, (sales, memory) in stores.items():
        try:
            answer = kind.answer(config, step.server_state, step.question, sales, memory)
            answer = tamper(name, step.question, answer) if tamper else answer
            check_answer(kind.program, config, step, answer, asked=1)
            answers[name] = answer
        except Exception as error:  # noqa: BLE001 (a store's rows may break the arithmetic in any way)
            refused[name] = Refusal.of(error)
        held += size_of(memory)
        if held > memory_bytes:
            held -= size_of(memory)
            memory.clear()
    return answers, refused


def _joint_answer(
    kind: ModelType, config: TrainingConfig, step: Step, stores: Stores
) -> tuple[dict[str, Json], dict[str, Refusal]]:
    """The stores' sum. If it fails, each is tried alone, and those that fail are not in it."""
    try:
        return _sum(kind, config, step, stores)
    except Exception:
        refused = {}
        for name, part in stores.items():
            try:
                _sum(kind, config, step, {name: part})
            except Exception as error:  # noqa: BLE001 (see above)
                refused[name] = Refusal.of(error)
        good = {name: part for name, part in stores.items() if name not in refused}
        if not refused:
            raise
        answers, out = _sum(kind, config, step, good) if good else ({}, {})
        return answers, refused | out


def _sum(
    kind: ModelType, config: TrainingConfig, step: Step, stores: Stores
) -> tuple[dict[str, Json], dict[str, Refusal]]:
    assert kind.answer_together is not None
    assert step.question is not None
    answer, out = kind.answer_together(config, step.server_state, step.question, stores)
    asked = len(stores) - len(out)
    if asked:
        check_answer(kind.program, config, step, answer, asked=asked)
    refused = {name: Refusal.left_out(why) for name, why in out.items()}
    return ({next(iter(stores)): answer} if asked else {}), refused


def size_of(value: Any) -> int:
    """About how many bytes the arrays in a value occupy."""
    if isinstance(value, np.ndarray):
        return int(value.nbytes)
    if isinstance(value, Mapping):
        return sum(size_of(each) for each in value.values())
    if is_dataclass(value):
        return sum(size_of(getattr(value, each.name)) for each in fields(value))
    return 0


# A whole round in memory


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
    tamper: Tamper | None = None,
) -> Simulated:
    """Train over these stores. ``active`` is the model in force, to start from. Raises
    :class:`AnswerRefused` when the program cannot go on."""
    taking_part: Stores = {name: (sales, {}) for name, sales in sorted(stores.items())}
    step = kind.program.begin(config, active)
    done = Simulated(step.server_state)
    for each in exchanges(kind=kind, config=config, stores=taking_part, step=step, tamper=tamper):
        question = each.before.question
        assert question is not None
        done.refused |= {name: str(why) for name, why in each.refused.items()}
        if each.step is None:
            raise AnswerRefused("too_few", "no store is left")
        done.server_state, done.exchanges = each.step.server_state, question.number
        done.judged = dict(each.answers) if question.judges else done.judged
    return done
