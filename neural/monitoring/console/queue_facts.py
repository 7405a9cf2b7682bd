"""What pages add to the state of a queue: its rates, and its label."""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.admin.display import badge
from neural.monitoring.conf import STALE_AFTER
from neural.monitoring.console.spans import ByQueue, total_of
from neural.monitoring.rollups import reading
from neural.queues.state import QueueState, Rates, Standing

RATE_MINUTES = 5
"""Rates are those of the last so many complete minutes."""
LABELS = {
    Standing.PAUSED: _("paused"),
    Standing.NO_READER: _("no reader"),
    Standing.FALLING_BEHIND: _("falling behind"),
    Standing.RUNNING: pgettext_lazy("queue", "running"),
}
"""How a queue is, in the same words on every page."""
COLOURS = {Standing.PAUSED: "lost", Standing.RUNNING: "present"}


def standing_badge(state: QueueState) -> SafeString:
    """How the queue is, as a coloured label."""
    return badge(COLOURS.get(state.standing, "dead"), LABELS[state.standing])


def with_pace(
    states: Iterable[QueueState], rates: Mapping[str, Rates] | None
) -> dict[str, QueueState]:
    """The states by name with their rates, if these are known."""
    none = Rates(incoming=0, outgoing=0)
    return {
        each.name: each if rates is None else replace(each, rates=rates.get(each.name, none))
        for each in states
    }


def rates_now(now: dt.datetime) -> Mapping[str, Rates] | None:
    """Rates by queue; None if nobody has added figures up lately."""
    until = reading.counted_until()
    if until is None or now - until > STALE_AFTER:
        return None
    end = until.replace(second=0, microsecond=0)
    minutes = reading.by_minute(end - dt.timedelta(minutes=RATE_MINUTES), end, by=("queue",))
    steps = [{queue: each for (queue,), each in step.items()} for step in minutes.values()]
    return rates_of(total_of(steps))


def rates_of(figures: ByQueue) -> Mapping[str, Rates]:
    """The rates in :data:`RATE_MINUTES`. A failed attempt that is tried again has not ended."""
    return {
        queue: Rates(
            incoming=each.submitted / RATE_MINUTES,
            outgoing=(each.succeeded + each.dead) / RATE_MINUTES,
        )
        for queue, each in figures.items()
    }
