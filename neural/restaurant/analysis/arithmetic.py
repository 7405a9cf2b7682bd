"""The arithmetic of demand: change, rank, unusual days. Pure: no Django, no database.

Days are business days, plain dates: no time zone and no clock change touches them. A day of
which nothing is known has no entry; it is missing, never zero.
"""

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from statistics import median

WEEK = dt.timedelta(days=7)
USUAL_WEEKS = 8
"""An unusual day is judged by the same weekday of so many weeks before it."""
LEAST_HISTORY = 4
"""With fewer of those days known, nothing is said."""
UNUSUAL_SCORE = 6.0
"""From so many median absolute deviations on, up or down, a day is unusual."""

_SMALLEST = Decimal("0.001")

Series = Mapping[dt.date, Decimal]
"""Quantities by day."""


@dataclass(frozen=True)
class Comparison:
    """``change`` is a ratio: 0.25 is a quarter more. ``days`` is how many were compared."""

    change: float | None
    days: int


@dataclass(frozen=True)
class Deviation:
    """How far a day was from the usual quantity, in median absolute deviations."""

    usual: Decimal
    score: float

    @property
    def is_unusual(self) -> bool:
        return abs(self.score) >= UNUSUAL_SCORE


def monday_of(day: dt.date) -> dt.date:
    """The first day of a day's week (ISO 8601)."""
    return day - dt.timedelta(days=day.weekday())


def compare(these: Series, before: Series) -> Comparison:
    """The change on the week before, like with like.

    Only days that are known in both weeks count, so that a week with a closed day is not
    said to have sold less. Without such a day, or when nothing was sold then, the change is
    None.
    """
    common = [day for day in these if day - WEEK in before]
    now = sum((these[day] for day in common), Decimal(0))
    then = sum((before[day - WEEK] for day in common), Decimal(0))
    change = float(now / then - 1) if then else None
    return Comparison(change, len(common))


def same_weekdays_before(day: dt.date, series: Series) -> Sequence[Decimal]:
    """What is known of the same weekday in the eight weeks before a day, newest first."""
    days = (day - WEEK * weeks for weeks in range(1, USUAL_WEEKS + 1))
    return [series[each] for each in days if each in series]


def deviation(quantity: Decimal, history: Sequence[Decimal]) -> Deviation | None:
    """How far a quantity is from its history; None where too little is known.

    The score is (quantity - median) / MAD, where MAD is the median absolute deviation from
    the median (Hampel 1974; Iglewicz and Hoaglin 1993 on its use against outliers): a few
    unusual days in the history hardly move either. One MAD counts as no less than the square
    root of the median, and no less than one portion: so much do counts of that size scatter
    by chance alone (Poisson), and eight days that happen to be alike prove nothing.
    """
    if len(history) < LEAST_HISTORY:
        return None
    middle = median(history)
    spread = float(median(abs(each - middle) for each in history))
    least = math.sqrt(max(float(middle), 1.0))
    usual = middle.quantize(_SMALLEST, rounding=ROUND_HALF_UP)
    return Deviation(usual, float(quantity - middle) / max(spread, least))


def ranks(quantities: Mapping[str, Decimal]) -> dict[str, int]:
    """Each dish's place, 1 for what sold most. Equals share a place, and the next is left out."""
    places: dict[Decimal, int] = {}
    for place, quantity in enumerate(sorted(quantities.values(), reverse=True), start=1):
        places.setdefault(quantity, place)
    return {dish: places[quantity] for dish, quantity in quantities.items()}
