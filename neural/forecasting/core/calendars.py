"""What the calendar of a country says of a day: holidays, working weekends, Christmas. Pure.

Holidays are those of the package ``holidays`` (public holidays as announced; for China with the
days off in lieu and the weekends that are worked for them). Regions within a country are left
out: a store that knows its own holidays reports them.
"""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import holidays
import numpy as np

from neural.forecasting.core.series import BoolArray


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Flags by day, each of shape (days,)."""

    holiday: BoolArray
    eve: BoolArray
    """No holiday, but the next day is one."""
    day_after: BoolArray
    """No holiday, but the day before was one."""
    working_weekend: BoolArray
    """A Saturday or Sunday that is worked in exchange for a day off (China)."""
    christmas: BoolArray
    """25 December where it is a holiday: sales of that day are like those of no other."""


@lru_cache(maxsize=512)
def holidays_of(country: str, year: int) -> frozenset[dt.date]:
    """The public holidays of a year. None for a country (ISO 3166-1 alpha-2) that is unknown."""
    return frozenset(_announced(country, year)[0])


@lru_cache(maxsize=512)
def working_weekends_of(country: str, year: int) -> frozenset[dt.date]:
    """Weekend days of a year that are worked in exchange for days off."""
    return frozenset(day for day in _announced(country, year)[1] if day.year == year)


@lru_cache(maxsize=512)
def _announced(country: str, year: int) -> tuple[frozenset[dt.date], frozenset[dt.date]]:
    try:
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return frozenset(), frozenset()
    worked = frozenset(getattr(found, "weekend_workdays", None) or ())
    free = frozenset(found)
    return free | _enclosed(free) if worked else free, worked


def _enclosed(free: frozenset[dt.date]) -> frozenset[dt.date]:
    """Weekends between a Friday and a Monday that are both free. Where weekends are worked in
    exchange for days off, such a weekend belongs to a holiday week; it is not announced."""
    day = dt.timedelta(days=1)
    fridays = [each for each in free if each.weekday() == 4 and each + 3 * day in free]
    return frozenset(each + days * day for each in fridays for days in (1, 2))


def calendar(*, country: str, first_day: dt.date, days: int) -> Calendar:
    """The flags of ``days`` days from ``first_day``. An unknown or empty country has none."""
    dates = [first_day + dt.timedelta(days=each) for each in range(-1, days + 1)]
    free = np.array([day in holidays_of(country, day.year) for day in dates], dtype=bool)
    within = dates[1:-1]
    christmas = np.array([(day.month, day.day) == (12, 25) for day in within], dtype=bool)
    worked = [day in working_weekends_of(country, day.year) for day in within]
    return Calendar(
        holiday=free[1:-1],
        eve=~free[1:-1] & free[2:],
        day_after=~free[1:-1] & free[:-2],
        working_weekend=np.array(worked, dtype=bool),
        christmas=christmas & free[1:-1],
    )
