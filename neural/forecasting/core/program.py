"""The demand forecast's program: what stores are asked in turn, and what answers add up to. Pure.

What there is to a question is a phase's; in what order they come stands in ``phases.order``.
Answers are taken in order of the stores' codes and every sum is exact, so that whoever
coordinates comes to the same server state. (The one exception is meant: noise, where differential
privacy is asked for.)
"""

from neural.forecasting.core import aggregation
from neural.forecasting.core.features import SCHEMA_HASH
from neural.forecasting.core.phases.order import FIRST, PHASES, following
from neural.forecasting.core.phases.phase import Answers
from neural.forecasting.core.protocol import Json, Question, Step, TrainingConfig


def releases(question: Question) -> bool:
    """Whether answers to this question become a noisy release."""
    return PHASES[question.kind].releases


class DemandProgram:
    """The coordinator's arithmetic."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """Ask for descriptions."""
        known = active if active and active.get("model", {}).get("schema") == SCHEMA_HASH else None
        server_state = {"active": known and known["model"]}
        return Step(server_state, FIRST[0].question(server_state, 1))

    def check(
        self, config: TrainingConfig, server_state: Json, question: Question, answer: Json
    ) -> None:
        """Refuse an answer with other keys, from another state of the server state, out of
        range."""
        PHASES[question.kind].check(config, server_state, question, answer)

    def go_on(
        self, config: TrainingConfig, server_state: Json, question: Question, answers: Answers
    ) -> Step:
        """The next question from the good answers."""
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
