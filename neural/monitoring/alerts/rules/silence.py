"""How many events a store usually sends in an hour, learned from its own past, and whether it is
silent in its business hours. Imports no Django.

An hour is compared with the same hour of the same weekday, by the store's own clock, of the last
four weeks; the median leaves out a holiday or a day on which the till was broken.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median
from zoneinfo import ZoneInfo

HOUR = dt.timedelta(hours=1)
WEEKS = 4
HORIZON = dt.timedelta(hours=24)
"""A silence that is longer is judged by its last so many hours."""

Usual = Callable[[dt.datetime], float]
"""Events that are usual in the hour that begins at this moment, in UTC."""


@dataclass(frozen=True)
class Silence:
    """What a store should have sent since its last event."""

    business_seconds: float
    """How much of the time lies in the store's business hours."""
    events: float
    """How many events are usual in that time."""


def hour_of(moment: dt.datetime) -> dt.datetime:
    """The beginning of the hour, in UTC."""
    return moment.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)


def like_hours(hour: dt.datetime, zone: ZoneInfo) -> list[dt.datetime]:
    """The same weekday-hour by the zone's clock, one to four weeks before, in UTC."""
    local = hour.astimezone(zone)
    before = (local - dt.timedelta(weeks=weeks) for weeks in range(1, WEEKS + 1))
    return [hour_of(each) for each in before]


def usual(events: list[int]) -> float:
    """What is usual, given the events of like hours; a week without a figure sent none."""
    return float(median([*events, *[0] * (WEEKS - len(events))]))


def silence_since(last: dt.datetime, now: dt.datetime, usual_in: Usual) -> Silence:
    """What is usual in the time from the last event until now.

    Within an hour, events are taken to be spread evenly. That is wrong for the hours in which the
    store opens and closes, so those count only if the whole hour was silent.
    """
    seconds = events = 0.0
    for hour in _hours(max(last, now - HORIZON), now):
        expected = usual_in(hour)
        if not expected:
            continue
        share = _share(hour, max(last, now - HORIZON), now)
        is_edge = not usual_in(hour - HOUR) or not usual_in(hour + HOUR)
        if is_edge and share < 1:
            continue
        seconds += share * HOUR.total_seconds()
        events += share * expected
    return Silence(seconds, events)


def _hours(since: dt.datetime, until: dt.datetime) -> Iterator[dt.datetime]:
    hour = hour_of(since)
    while hour < until:
        yield hour
        hour += HOUR


def _share(hour: dt.datetime, since: dt.datetime, until: dt.datetime) -> float:
    """Which share of the hour lies between the two moments."""
    inside = min(hour + HOUR, until) - max(hour, since)
    return max(inside / HOUR, 0.0)
