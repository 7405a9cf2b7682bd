"""Calendar features, known beforehand: weekday, season, holidays, opening days. Pure.

Holidays come from the package ``holidays``: public holidays as announced, for China with the days
off in lieu and the weekends worked in exchange. Regions within a country are ignored: a store that
knows its own holidays reports them.
"""

import datetime as dt
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from neural.forecasting.core.lags import shifted
from neural.forecasting.core.series import BoolArray, FloatArray, Sales

OF_DAY = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
    "year_sine", "year_cosine", "half_year_sine", "half_year_cosine",
    "holiday", "special_holiday", "special_workday", "christmas", "eve", "holiday_in_2_days",
    "day_after", "working_weekend", "school_holiday", "closed_before", "closed_after",
)  # fmt: skip
"""The names of the columns that :func:`of_each_day` returns."""


def of_each_day(sales: Sales) -> NDArray[np.float32]:
    """(days + HORIZONS, len(OF_DAY)): the calendar features of each day."""
    weekday = _weekdays(sales)
    turn = 2 * np.pi * (_dates(sales) - _dates(sales).astype("M8[Y]")).astype(float) / 365.25
    seen = _year_seen(sales.days)
    columns: list[NDArray[np.generic]] = [*(weekday == each for each in range(7))]
    columns += [seen * wave(each * turn) for each in (1, 2) for wave in (np.sin, np.cos)]
    columns += _holidays(sales)
    closed = sales.closed.astype(np.float64)
    columns += [sales.school_holiday, shifted(closed, 1), _next(closed)]
    return np.stack(columns, axis=1).astype(np.float32)


def usual_holidays(sales: Sales) -> BoolArray:
    """(7,), from Monday: whether most days of this weekday are holidays (some reports call weekends
    holidays)."""
    weekday = _weekdays(sales)
    count = np.maximum(np.bincount(weekday, minlength=7), 1)
    free = np.bincount(weekday, weights=(sales.holiday > 0), minlength=7)
    return np.asarray(free / count > 0.5)


def special_days(sales: Sales) -> BoolArray:
    """(days + HORIZONS,): True for a holiday on a weekday usually worked, and for the reverse."""
    return np.asarray((sales.holiday > 0) != usual_holidays(sales)[_weekdays(sales)])


def like_weekdays(sales: Sales) -> NDArray[np.int64]:
    """(days + HORIZONS,): the weekday that each day is like, 0 is Monday: a holiday is like a
    Sunday, a weekend that is worked like a Wednesday, in the middle of the week."""
    like = np.where(sales.holiday > 0, 6, 2)
    return np.where(special_days(sales), like, _weekdays(sales))


def _weekdays(sales: Sales) -> NDArray[np.int64]:
    """(days + HORIZONS,): 0 is Monday."""
    return (sales.first_day.weekday() + np.arange(len(sales.closed))) % 7


def _dates(sales: Sales) -> NDArray[np.datetime64]:
    return np.datetime64(sales.first_day) + np.arange(len(sales.closed))


def _year_seen(days: int) -> float:
    """How much the yearly waves count: 0 up to half a year of history, 1 from a year on. Waves
    fitted to a part of a year go astray in the following weeks."""
    return float(np.clip((days - 182) / 182, 0.0, 1.0))


def _holidays(sales: Sales) -> list[FloatArray]:
    """The columns from ``holiday`` to ``working_weekend``, in the order of OF_DAY."""
    days, dates = len(sales.closed), _dates(sales)
    known = calendar(country=sales.country, first_day=sales.first_day, days=days + 2)
    free = known.holiday.astype(np.float64)
    free[:days] = np.maximum(free[:days], sales.holiday)
    here, work, special = free[:days], 1.0 - free[:days], special_days(sales)
    # 25 December has its own flag: it sells like no other day. It is day 24 of its month, from 0.
    in_month = (dates - dates.astype("M8[M]")).astype(np.int64)
    christmas = (dates.astype("M8[M]").astype(np.int64) % 12 == 11) & (in_month == 24)
    return [
        here,
        here * special,
        work * special,
        here * christmas,
        work * free[1 : days + 1],
        work * (1.0 - free[1 : days + 1]) * free[2:],
        work * shifted(here, 1),
        known.working_weekend[:days].astype(np.float64),
    ]


def _next(values: FloatArray) -> FloatArray:
    """The values of the next row; 0 after the last."""
    return shifted(values[::-1], 1)[::-1]


# The calendar of a country


@dataclass(frozen=True, kw_only=True)
class Calendar:
    """Flags by day, each of shape (days,)."""

    holiday: BoolArray
    working_weekend: BoolArray
    """Saturdays and Sundays that are worked in exchange for a day off (China)."""


@lru_cache(maxsize=512)
def holidays_of(country: str, year: int) -> frozenset[dt.date]:
    """The public holidays of a year; an empty set for an unknown country (ISO 3166-1 alpha-2)."""
    return frozenset(_announced(country, year)[0])


@lru_cache(maxsize=512)
def working_weekends_of(country: str, year: int) -> frozenset[dt.date]:
    """The weekend days of a year that are worked in exchange for days off."""
    return frozenset(day for day in _announced(country, year)[1] if day.year == year)


@lru_cache(maxsize=512)
def _announced(country: str, year: int) -> tuple[frozenset[dt.date], frozenset[dt.date]]:
    import holidays  # not at the top: a process that forecasts nothing need not load it

    try:
        found = holidays.country_holidays(country, years=year)
    except NotImplementedError:
        return frozenset(), frozenset()
    worked = frozenset(getattr(found, "weekend_workdays", None) or ())
    free = frozenset(found)
    return free | _enclosed(free) if worked else free, worked


def _enclosed(free: frozenset[dt.date]) -> frozenset[dt.date]:
    """The weekends between a free Friday and a free Monday. Where weekends are worked in exchange
    for days off, such a weekend belongs to a holiday week, but is not announced as one."""
    day = dt.timedelta(days=1)
    fridays = [each for each in free if each.weekday() == 4 and each + 3 * day in free]
    return frozenset(each + days * day for each in fridays for days in (1, 2))


def calendar(*, country: str, first_day: dt.date, days: int) -> Calendar:
    """The flags of ``days`` days from ``first_day``; all False for an unknown or empty country."""
    dates = [first_day + dt.timedelta(days=each) for each in range(days)]
    free = [day in holidays_of(country, day.year) for day in dates]
    worked = [day in working_weekends_of(country, day.year) for day in dates]
    return Calendar(
        holiday=np.array(free, dtype=bool), working_weekend=np.array(worked, dtype=bool)
    )
