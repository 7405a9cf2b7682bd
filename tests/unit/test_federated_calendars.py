"""Days of the calendar, by country."""

import datetime as dt

import numpy as np
import pytest

from neural.forecasting.core.calendars import Calendar, calendar


def flags(found: Calendar, first_day: dt.date, name: str) -> list[str]:
    """The days on which a flag is set."""
    rows = np.flatnonzero(getattr(found, name))
    return [(first_day + dt.timedelta(days=int(row))).isoformat() for row in rows]


def test_a_holiday_has_an_eve_and_a_day_after():
    first = dt.date(2024, 5, 6)
    found = calendar(country="DE", first_day=first, days=7)

    assert flags(found, first, "holiday") == ["2024-05-09"]
    assert flags(found, first, "eve") == ["2024-05-08"]
    assert flags(found, first, "day_after") == ["2024-05-10"]


def test_what_lies_just_outside_the_days_counts_for_their_ends():
    found = calendar(country="DE", first_day=dt.date(2024, 5, 10), days=1)
    before = calendar(country="DE", first_day=dt.date(2024, 5, 8), days=1)

    assert found.day_after.tolist() == [True]
    assert before.eve.tolist() == [True]


def test_a_weekend_within_chinas_holiday_week_is_part_of_it():
    first = dt.date(2024, 9, 28)
    found = calendar(country="CN", first_day=first, days=12)

    assert flags(found, first, "holiday") == [f"2024-10-0{day}" for day in range(1, 8)]
    assert flags(found, first, "eve") == ["2024-09-30"]
    assert flags(found, first, "day_after") == ["2024-10-08"]


def test_the_saturday_before_easter_is_a_working_day():
    first = dt.date(2024, 3, 28)
    found = calendar(country="DE", first_day=first, days=6)

    assert flags(found, first, "holiday") == ["2024-03-29", "2024-04-01"]


def test_chinas_weekends_that_are_worked_for_a_day_off_are_flagged():
    first = dt.date(2024, 9, 28)
    found = calendar(country="CN", first_day=first, days=16)

    assert flags(found, first, "working_weekend") == ["2024-09-29", "2024-10-12"]


def test_christmas_day_is_apart_where_it_is_a_holiday():
    first = dt.date(2024, 12, 20)

    assert flags(calendar(country="DE", first_day=first, days=10), first, "christmas") == [
        "2024-12-25"
    ]
    assert flags(calendar(country="CN", first_day=first, days=10), first, "christmas") == []


@pytest.mark.parametrize("country", ["", "XX", "nowhere"])
def test_an_unknown_country_has_no_holidays(country):
    found = calendar(country=country, first_day=dt.date(2024, 1, 1), days=366)

    assert not any(getattr(found, name).any() for name in Calendar.__dataclass_fields__)
