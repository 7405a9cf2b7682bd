"""The run that sees to a round's deadlines for as long as it is open. It never waits: it puts
itself off until the next moment at which something may be due."""

import datetime as dt
from typing import Any

from neural.forecasting.models import TrainingRound
from neural.forecasting.rounds.advancing import advance, half_time
from neural.ledger.work import Postponed, current_run

LEAST_SECONDS = 1.0
MARGIN_SECONDS = 0.2


def watch(*, round_id: int, now: dt.datetime) -> dict[str, Any]:
    """Do what is due; :class:`Postponed` while the round is open, else how it ended."""
    training = advance(round_id=round_id, now=now)
    if training.is_open and current_run() is not None:
        so_far = {"round": training.pk, "exchange": training.exchange}
        raise Postponed(_seconds_until_due(training, now), so_far=so_far)
    return {"round": training.pk, "state": training.state, "reason": training.reason}


def _seconds_until_due(training: TrainingRound, now: dt.datetime) -> float:
    moments = [training.closes_at, training.exchange_closes_at, half_time(training)]
    ahead = [(moment - now).total_seconds() for moment in moments if moment and moment > now]
    return max(min(ahead, default=0.0) + MARGIN_SECONDS, LEAST_SECONDS)
