"""What the page of queues says of each queue. It comes from the database; only the number of
messages comes from the broker, and is unknown while that does not answer."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import TextChoices
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.admin.display import badge
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.health.findings import COUNTED
from neural.health.situation import Situation
from neural.models import QueuePause
from neural.monitoring.alerts.rules.queues import patience
from neural.monitoring.conf import STALE_AFTER
from neural.monitoring.console.spans import total_of
from neural.monitoring.rollups import reading

RATE_MINUTES = 5
"""Rates are those of the last so many complete minutes."""


class QueueState(TextChoices):
    """How a queue is, in the same words on every page."""

    PAUSED = "paused", _("paused")
    NO_READER = "no_reader", _("no reader")
    FALLING_BEHIND = "falling_behind", _("falling behind")
    RUNNING = "running", pgettext_lazy("queue", "running")

    @property
    def badge(self) -> SafeString:
        """The state as a coloured label."""
        colours = {QueueState.PAUSED: "lost", QueueState.RUNNING: "present"}
        return badge(colours.get(self, "dead"), self.label)


def queue_state(*, is_paused: bool, is_read: bool, is_late: bool) -> QueueState:
    """The state of a queue. It is late if a due run waits for longer than the alert about that
    allows (:func:`patience`)."""
    if is_paused:
        return QueueState.PAUSED
    if not is_read:
        return QueueState.NO_READER
    return QueueState.FALLING_BEHIND if is_late else QueueState.RUNNING


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Runs a minute that came in, and that ended (succeeded, or dead)."""

    incoming: float
    outgoing: float


def gain_of(rates: Rates | None, *, due: int, is_read: bool, is_paused: bool) -> float | None:
    """By how many due runs a minute a queue shrinks at these rates: by none that go out where
    nobody reads. None if nothing is due or it is unknown."""
    if not due or is_paused or rates is None:
        return None
    return (rates.outgoing if is_read else 0) - rates.incoming


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
    state: QueueState

    @property
    def is_more(self) -> bool:
        """Whether counting stopped before the last due run."""
        return self.due >= COUNTED

    @property
    def gain(self) -> float | None:
        is_read, is_paused = bool(self.readers), self.pause is not None
        return gain_of(self.rates, due=self.due, is_read=is_read, is_paused=is_paused)

    @property
    def drained_in(self) -> dt.timedelta | None:
        """When nothing would be due any more at these rates; None if never, or unknown."""
        return dt.timedelta(minutes=self.due / self.gain) if self.gain and self.gain > 0 else None

    @property
    def is_growing(self) -> bool:
        """Whether runs are due and more come in than end."""
        return self.gain is not None and self.gain < 0

    @property
    def needs_somebody(self) -> bool:
        """Whether runs are due that nobody reads, or that wait for too long."""
        is_well = self.state in (QueueState.PAUSED, QueueState.RUNNING)
        return bool(self.due) and not is_well


def queue_facts(situation: Situation, names: Sequence[str]) -> list[QueueFacts]:
    """What is known of these queues. The broker is asked for each of them."""
    messages, rates, allowed = _messages(names), _rates(situation.now), patience()
    return [_facts(name, situation, messages, rates, allowed(name)) for name in names]


def _facts(
    name: str,
    situation: Situation,
    messages: Mapping[str, int],
    rates: Mapping[str, Rates] | None,
    patience_seconds: float,
) -> QueueFacts:
    waiting, readers = situation.waiting.get(name), situation.readers.get(name, [])
    is_late = waiting is not None and waiting.oldest_seconds > patience_seconds
    is_paused = name in situation.pauses
    return QueueFacts(
        name=name,
        due=waiting.runs if waiting else 0,
        oldest=dt.timedelta(seconds=waiting.oldest_seconds) if waiting else None,
        readers=readers,
        pause=situation.pauses.get(name),
        rates=None if rates is None else rates.get(name, Rates(incoming=0, outgoing=0)),
        messages=messages.get(name),
        state=queue_state(is_paused=is_paused, is_read=bool(readers), is_late=is_late),
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
    if until is None or now - until > STALE_AFTER:
        return None
    end = until.replace(second=0, microsecond=0)
    minutes = reading.by_minute(end - dt.timedelta(minutes=RATE_MINUTES), end, by=("queue",))
    steps = [{queue: each for (queue,), each in step.items()} for step in minutes.values()]
    return {queue: rates_of(each) for queue, each in total_of(steps).items()}


def rates_of(figures: reading.Figures) -> Rates:
    """The rates in :data:`RATE_MINUTES`. A failed attempt that is tried again has not ended."""
    ended = figures.succeeded + figures.dead
    return Rates(incoming=figures.submitted / RATE_MINUTES, outgoing=ended / RATE_MINUTES)
