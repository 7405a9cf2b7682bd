"""What is known of a day beforehand, by the calendar of the store's country."""

import datetime as dt

import numpy as np
import pytest

from neural.forecasting.core.days import OF_DAY, of_each_day
from neural.forecasting.core.series import HORIZONS, Sales

HOLIDAYS = (
    "holiday", "special_holiday", "special_workday", "christmas", "eve", "holiday_in_2_days",
    "day_after", "working_weekend",
)  # fmt: skip


def flags(country: str, first_day: dt.date, days: int) -> dict[str, list[str]]:
    """By column: the days on which it is set, of so many days from the first on."""
    known = days - HORIZONS
    sales = Sales(
        first_day=first_day,
        dishes=("rice",),
        quantities=np.ones((known, 1)),
        promotion=np.zeros((days, 1)),
        closed=np.zeros(days, dtype=bool),
        holiday=np.zeros(days),
        school_holiday=np.zeros(days),
        country=country,
    )
    return {
        name: [
            (first_day + dt.timedelta(days=int(row))).isoformat() for row in np.flatnonzero(column)
        ]
        for name, column in zip(OF_DAY, of_each_day(sales).T, strict=True)
    }


def test_a_holiday_has_an_eve_and_a_day_after():
    found = flags("DE", dt.date(2024, 5, 2), days=16)

    assert found["holiday"] == ["2024-05-09"]
    assert found["eve"] == ["2024-05-08"]
    assert found["holiday_in_2_days"] == ["2024-05-07"]
    assert found["day_after"] == ["2024-05-10"]


def test_a_holiday_just_after_the_days_counts_for_their_end():
    found = flags("DE", dt.date(2024, 4, 23), days=16)

    assert found["holiday"] == ["2024-05-01"]
    assert found["eve"] == ["2024-04-30", "2024-05-08"]


def test_a_weekend_within_chinas_holiday_week_is_part_of_it():
    found = flags("CN", dt.date(2024, 9, 22), days=18)

    assert found["holiday"] == [f"2024-10-0{day}" for day in range(1, 8)]
    assert found["eve"] == ["2024-09-30"]
    assert found["day_after"] == ["2024-10-08"]


def test_the_saturday_before_easter_is_a_working_day():
    found = flags("DE", dt.date(2024, 3, 20), days=15)

    assert found["holiday"] == ["2024-03-29", "2024-04-01"]


def test_chinas_weekends_that_are_worked_for_a_day_off_are_flagged():
    found = flags("CN", dt.date(2024, 9, 28), days=16)

    assert found["working_weekend"] == ["2024-09-29", "2024-10-12"]


@pytest.mark.parametrize(("country", "days"), [("DE", ["2024-12-25"]), ("CN", [])])
def test_christmas_day_is_apart_where_it_is_a_holiday(country, days):
    assert flags(country, dt.date(2024, 12, 15), days=15)["christmas"] == days


@pytest.mark.parametrize("country", ["", "XX", "nowhere"])
def test_an_unknown_country_has_no_holidays(country):
    found = flags(country, dt.date(2024, 1, 1), days=366)

    assert {name: found[name] for name in HOLIDAYS} == {name: [] for name in HOLIDAYS}
