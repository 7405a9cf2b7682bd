"""How far a round is, for people."""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from neural.forecasting.models import TrainingRound
from neural.forecasting.rounds.gathering import stores_in


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where an open round has come to. All of a closed one is done."""

    round: int
    state: str
    label: str
    """What it is doing, for people."""
    exchange: int
    about: int
    """How many exchanges there will be, about."""
    stores_in: int
    """Stores whose answer to the question that is out has come."""
    taking_part: int
    invited: int
    seconds_left: float | None
    """Until the exchange closes; None where no question is out."""

    @property
    def share(self) -> float:
        """Of the exchanges, from 0 to 1."""
        return min(max(self.exchange - 1, 0) / self.about, 1.0) if self.about else 0.0

    def as_json(self) -> dict[str, Any]:
        """For a run's result, while it waits."""
        return {**asdict(self), "label": str(self.label)}


def round_progress(training: TrainingRound, *, now: dt.datetime) -> Progress:
    """How far a round is: one query."""
    closes_at = training.exchange_closes_at if training.is_open else None
    left = max((closes_at - now).total_seconds(), 0.0) if closes_at else None
    return Progress(
        round=training.pk,
        state=training.state,
        label=training.get_state_display(),
        exchange=training.exchange,
        about=max(training.exchanges_expected, training.exchange),
        stores_in=stores_in(training),
        taking_part=training.taking_part,
        invited=training.invited,
        seconds_left=left,
    )
