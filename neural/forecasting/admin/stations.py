"""The course of a round, for its page: groups related transitions into stations."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from neural.forecasting.models import RoundState, RoundTransition, TrainingRound
from neural.forecasting.models.round import ASKING_STATES


@dataclass(frozen=True)
class Station:
    """A stretch of a round's course, which joins consecutive exchanges. ``first_exchange`` and
    ``last_exchange`` are 0 if stores were asked nothing."""

    state: RoundState
    first_exchange: int
    last_exchange: int
    began_at: dt.datetime
    took: dt.timedelta | None


def stations(transitions: Sequence[RoundTransition], training: TrainingRound) -> Sequence[Station]:
    """The course of a round. Aggregating belongs to the collecting that it ends. Trees grow through
    many exchanges without a transition, so a station lasts until the first exchange of the next."""
    starts: list[RoundTransition] = []
    for each in transitions:
        if not starts or _station(each) != _station(starts[-1]):
            starts.append(each)
    following = [*starts[1:], None][: len(starts)]
    ends = [each.at if each else training.closed_at for each in following]
    return [
        Station(
            _station(each),
            each.exchange if _asks(each) else 0,
            _last_exchange(each, after, training) if _asks(each) else 0,
            each.at,
            _between(each.at, end),
        )
        for each, after, end in zip(starts, following, ends, strict=True)
    ]


def _station(transition: RoundTransition) -> RoundState:
    state = RoundState(transition.to_state)
    return RoundState.COLLECTING if state == RoundState.AGGREGATING else state


def _asks(transition: RoundTransition) -> bool:
    return _station(transition) in ASKING_STATES


def _last_exchange(
    begun: RoundTransition, after: RoundTransition | None, training: TrainingRound
) -> int:
    """A station's last exchange: the one before the next station's first, or the round's current
    one."""
    if after is None:
        return training.exchange
    return max(begun.exchange, after.exchange - 1 if _asks(after) else after.exchange)


def _between(begin: dt.datetime, end: dt.datetime | None) -> dt.timedelta | None:
    return end - begin if end and end > begin else None
