"""The arithmetic of demand: changes, ranks and unusual days. Pure: no Django, no database.

Days are business days as plain dates, so time zones and clock changes do not matter. An unknown day
has no entry: it is missing, not zero.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median

WEEK = dt.timedelta(days=7)
USUAL_WEEKS = 8
"""A day is compared with the same weekday of so many weeks before it."""
LEAST_HISTORY = 4
"""If fewer of those days are known, no day is called unusual."""
UNUSUAL_SCORE = 6.0
"""A day is unusual if it is at least so many median absolute deviations above or below the
usual."""

_SMALLEST = Decimal("0.001")

Series = Mapping[dt.date, Decimal]
"""Quantities by day."""


@dataclass(frozen=True)
class Comparison:
    """``change`` is a ratio: 0.25 is a quarter more. ``days`` is the number of days compared."""

    change: float | None
    days: int


@dataclass(frozen=True)
class Deviation:
    """How far a day was from the usual quantity. ``score`` is in median absolute deviations."""

    usual: Decimal
    score: float

    @property
    def is_unusual(self) -> bool:
        return abs(self.score) >= UNUSUAL_SCORE


def monday_of(day: dt.date) -> dt.date:
    """The first day of a day's week (ISO 8601)."""
    return day - dt.timedelta(days=day.weekday())


def compare(these: Series, before: Series) -> Comparison:
    """The change on the week before, based on the same days of both weeks.

    Only days that are known in both weeks count; otherwise a week with a closed day would seem to
    have sold less. The change is None if there is no such day, or if nothing was sold on these days
    before.
    """
    common = [day for day in these if day - WEEK in before]
    now = sum((these[day] for day in common), Decimal(0))
    then = sum((before[day - WEEK] for day in common), Decimal(0))
    change = float(now / then - 1) if then else None
    return Comparison(change, len(common))


def same_weekdays_before(day: dt.date, series: Series) -> Sequence[Decimal]:
    """The known quantities of the same weekday in the eight weeks before a day, newest first."""
    days = (day - WEEK * weeks for weeks in range(1, USUAL_WEEKS + 1))
    return [series[each] for each in days if each in series]


def deviation(quantity: Decimal, history: Sequence[Decimal]) -> Deviation | None:
    """How far a quantity is from its history; None if too little history is known.

    The score is (quantity - median) / MAD, where MAD is the median absolute deviation from the
    median (Hampel 1974; Iglewicz and Hoaglin 1993 on its use against outliers). A few unusual days
    in the history hardly affect either. One MAD counts as at least the square root of the median,
    and at least one portion: counts of that size vary so much by chance alone (Poisson), and eight
    days that happen to be alike prove nothing.
    """
    if len(history) < LEAST_HISTORY:
        return None
    middle = median(history)
    spread = float(median(abs(each - middle) for each in history))
    least = math.sqrt(max(float(middle), 1.0))
    usual = middle.quantize(_SMALLEST, rounding=ROUND_HALF_UP)
    return Deviation(usual, float(quantity - middle) / max(spread, least))


def ranks(quantities: Mapping[str, Decimal]) -> dict[str, int]:
    """Each dish's rank, 1 for the largest quantity. Equal dishes share a rank, and the next one is
    skipped."""
    places: dict[Decimal, int] = {}
    for place, quantity in enumerate(sorted(quantities.values(), reverse=True), start=1):
        places.setdefault(quantity, place)
    return {dish: places[quantity] for dish, quantity in quantities.items()}
