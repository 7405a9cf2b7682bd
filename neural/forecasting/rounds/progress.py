"""How far a round is, for people."""

from dataclasses import asdict, dataclass
from typing import Any

from neural.forecasting.models import TrainingRound


@dataclass(frozen=True, kw_only=True)
class RoundProgress:
    """How far a round is."""

    round: int
    state: str
    label: str
    """The state's name for people."""
    exchange: int
    about: int
    """About how many exchanges there will be."""
    taking_part: int
    invited: int

    def as_json(self) -> dict[str, Any]:
        """The progress as JSON, kept with a run that waits for the round."""
        return {**asdict(self), "label": str(self.label)}


def round_progress(training: TrainingRound) -> RoundProgress:
    """The progress of a round."""
    return RoundProgress(
        round=training.pk,
        state=training.state,
        label=training.get_state_display(),
        exchange=training.exchange,
        about=max(training.exchanges_expected, training.exchange),
        taking_part=training.taking_part,
        invited=training.invited,
    )
