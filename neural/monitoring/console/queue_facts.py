"""What the page of queues says of each queue. It comes from the database; only the number of
messages comes from the broker, and is unknown while that does not answer."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from neural.broker.publisher import BrokerUnavailable, publisher
from neural.health.findings import COUNTED
from neural.health.situation import Situation
from neural.models import QueuePause
from neural.monitoring.rollups import reading

RATE_MINUTES = 5
"""Rates are those of the last so many complete minutes."""
STALE = dt.timedelta(minutes=2)
"""Figures that are older say nothing about now."""


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Runs a minute that came in, and that ended (succeeded, or dead)."""

    incoming: float
    outgoing: float


@dataclass(frozen=True, kw_only=True)
class QueueFacts:
    """One queue. What is unknown is None."""

    name: str
    due: int
    """Due runs, at most ``COUNTED``."""
    oldest: dt.timedelta | None
    readers: Sequence[str]
    pause: QueuePause | None
    rates: Rates | None
    messages: int | None

    @property
    def is_more(self) -> bool:
        """Whether counting stopped before the last due run."""
        return self.due >= COUNTED

    @property
    def drained_in(self) -> dt.timedelta | None:
        """When nothing would be due any more at these rates; None if never, or unknown."""
        if not self.due or self.pause or self.rates is None:
            return None
        gained = self.rates.outgoing - self.rates.incoming
        return dt.timedelta(minutes=self.due / gained) if gained > 0 else None

    @property
    def is_growing(self) -> bool:
        """Whether runs are due and more come in than end."""
        rates = self.rates
        return bool(self.due and rates and rates.incoming > rates.outgoing)

    @property
    def stays(self) -> bool:
        """Whether runs are due and as many come in as end, perhaps none."""
        rates = self.rates
        return bool(self.due and rates and rates.incoming == rates.outgoing)

    @property
    def needs_somebody(self) -> bool:
        """Whether runs are due that nobody reads."""
        return bool(self.due) and not self.readers and self.pause is None


def queue_facts(situation: Situation, names: Sequence[str]) -> list[QueueFacts]:
    """What is known of these queues. The broker is asked for each of them."""
    messages, rates = _messages(names), _rates(situation.now)
    return [_facts(name, situation, messages, rates) for name in names]


def _facts(
    name: str,
    situation: Situation,
    messages: Mapping[str, int],
    rates: Mapping[str, Rates] | None,
) -> QueueFacts:
    waiting = situation.waiting.get(name)
    return QueueFacts(
        name=name,
        due=waiting.runs if waiting else 0,
        oldest=dt.timedelta(seconds=waiting.oldest_seconds) if waiting else None,
        readers=situation.readers.get(name, []),
        pause=situation.pauses.get(name),
        rates=None if rates is None else rates.get(name, Rates(incoming=0, outgoing=0)),
        messages=messages.get(name),
    )


def _messages(names: Sequence[str]) -> Mapping[str, int]:
    """Messages in the broker by queue; empty while it does not answer."""
    try:
        return publisher().depths(names)
    except BrokerUnavailable:
        return {}


def _rates(now: dt.datetime) -> Mapping[str, Rates] | None:
    """Rates by queue; None if nobody has added figures up lately."""
    until = reading.counted_until()
    if until is None or now - until > STALE:
        return None
    end = until.replace(second=0, microsecond=0)
    minutes = reading.by_minute(end - dt.timedelta(minutes=RATE_MINUTES), end, by=("queue",))
    incoming: dict[str, int] = {}
    outgoing: dict[str, int] = {}
    for figures in minutes.values():
        for (queue,), theirs in figures.items():
            incoming[queue] = incoming.get(queue, 0) + theirs.submitted
            outgoing[queue] = outgoing.get(queue, 0) + theirs.succeeded + theirs.dead
    return {
        queue: Rates(
            incoming=incoming[queue] / RATE_MINUTES, outgoing=outgoing[queue] / RATE_MINUTES
        )
        for queue in incoming
    }
