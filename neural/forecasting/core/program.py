"""The demand forecast's program: asks stores one question after another, combines answers. Pure.

Each question is a phase; ``phases.order`` gives their order. Answers are combined in order of the
stores' codes and every sum is exact, so every coordinator arrives at the same server state. The
one intended exception is the noise of differential privacy.
"""

from neural.forecasting.core import aggregation
from neural.forecasting.core.features import NEWEST, SETS
from neural.forecasting.core.phases.order import FIRST, PHASES, following
from neural.forecasting.core.phases.phase import Answers
from neural.forecasting.core.protocol import Json, Question, Step, TrainingConfig


def releases(question: Question) -> bool:
    """Whether answers to this question become a noisy release, if the plan asks for noise."""
    return PHASES[question.kind].releases


def schema_of(content: Json) -> str:
    """The hash of the features of a finished model: those of which some store knew something."""
    return str(content["model"]["schema"])


class DemandProgram:
    """The coordinator's side of training the demand forecast."""

    def begin(self, config: TrainingConfig, active: Json | None) -> Step:
        """The first step, with the question for the stores' descriptions.

        An ``active`` model that was made with other features than the round may train with is
        ignored, because not all workers may know them."""
        hashes = [each.hash for each in SETS]
        features = config.features or NEWEST.hash
        allowed = hashes[: hashes.index(features) + 1]
        known = active if active and active.get("model", {}).get("schema") in allowed else None
        server_state = {"active": known and known["model"], "features": features}
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
