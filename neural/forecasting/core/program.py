"""Both sides of training the demand forecast: the program, and a store's part. Pure.

The program asks stores one question after another and combines their answers. Each question is a
phase: describe → fit, several times → spread → grow, level by level → calibrate → judge. The judged
candidate is refitted with the held-out days included: fit → grow → confirm.

Answers are combined in order of the stores' codes and every sum is exact, so every coordinator
arrives at the same server state. A store's part needs no Django, queue or database, so stores may
train on their own premises, too."""

from collections.abc import Mapping
from types import MappingProxyType

from neural.forecasting.core import aggregation
from neural.forecasting.core.features import SCHEMA
from neural.forecasting.core.phases.describe import Describe
from neural.forecasting.core.phases.fit import Fit, Spread, refits
from neural.forecasting.core.phases.grow import Grow
from neural.forecasting.core.phases.judge import Calibrate, Confirm, Judge
from neural.forecasting.core.phases.phase import Answers, Phase, StorePart
from neural.forecasting.core.protocol import Json, Memory, Question, Step, Together, TrainingConfig
from neural.forecasting.core.series import Sales

# The order of the phases


_FIT, _GROW = Fit(), Grow()
FIRST: tuple[Phase, ...] = (Describe(), _FIT, Spread(), _GROW, Calibrate(), Judge())
"""The phases of every round, until the candidate has been judged."""
REFIT: tuple[Phase, ...] = (_FIT, _GROW, Confirm())
"""The further phases of a judged candidate."""
PHASES: Mapping[str, Phase] = MappingProxyType({each.name: each for each in (*FIRST, *REFIT)})
"""All phases by name, which is the ``kind`` of their questions."""


def following(config: TrainingConfig, server_state: Json, phase: Phase) -> Phase | None:
    """The phase of the next question, once this phase's answers are part of the server state; None
    when the round is finished."""
    if not phase.is_through(config, server_state):
        return phase
    order = REFIT if "judged_model" in server_state else FIRST
    # The judging phase is not part of a refit, which therefore begins with its first phase.
    rest = order[order.index(phase) + 1 :] if phase in order else order
    return next((each for each in rest if not each.is_skipped(config)), None)


def expected_exchanges(config: TrainingConfig) -> int:
    """The number of exchanges of a round."""
    once = _exchanges(FIRST, config, refit=False)
    return once + (_exchanges(REFIT, config, refit=True) if refits(config) else 0)


def _exchanges(order: tuple[Phase, ...], config: TrainingConfig, *, refit: bool) -> int:
    asked = [each for each in order if not each.is_skipped(config)]
    return sum(each.exchanges(config, refit=refit) for each in asked)


# A store's part: from its own rows to an answer


def answer(
    config: TrainingConfig, server_state: Json, question: Question, sales: Sales, memory: Memory
) -> Json:
    """This store's answer. Raises NotEnoughHistory if the store has too little history."""
    return PHASES[question.kind].answer(StorePart(config, server_state, question, sales, memory))


def answer_together(
    config: TrainingConfig,
    server_state: Json,
    question: Question,
    stores: Mapping[str, tuple[Sales, Memory]],
) -> Together:
    """The joint answer of several stores of one trust domain, added up before it is sent."""
    parts = {
        name: StorePart(config, server_state, question, sales, memory)
        for name, (sales, memory) in sorted(stores.items())
    }
    return PHASES[question.kind].answer_together(parts)


# The coordinator's side


class DemandProgram:
    """The coordinator's side of training the demand forecast."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """The first step, with the question for the stores' descriptions.

        An ``active`` model that was made with other features is ignored."""
        known = active if active and active.get("model", {}).get("schema") == SCHEMA else None
        server_state = {"active": known and known["model"]}
        return Step(server_state, FIRST[0].question(server_state, 1))

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Raise :class:`AnswerRefused` for an answer with other keys, made from another server
        state, or out of range."""
        PHASES[question.kind].check(config, server_state, question, answer)

    def go_on(
        self, config: TrainingConfig, server_state: Json, question: Question, answers: Answers
    ) -> Step:
        """Combine the good answers and return the next step."""
        if not answers:
            raise aggregation.TooFewUpdates(found=0, needed=1)
        phase = PHASES[question.kind]
        ordered = {store: answers[store] for store in sorted(answers)}
        changes, refused = phase.combine(config, server_state, ordered)
        grown = {**server_state, **changes}
        coming = following(config, grown, phase)
        if coming is None:
            return Step({key: grown[key] for key in ("model", "quality")}, None, refused)
        return Step(grown, coming.question(grown, question.number + 1), refused)
