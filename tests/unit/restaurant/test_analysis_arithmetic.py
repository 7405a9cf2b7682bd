"""Change, rank and unusual days, worked out by hand."""

import datetime as dt
from decimal import Decimal

import pytest

from neural.restaurant.analysis.summarising import (
    Comparison,
    Sale,
    Summary,
    compare,
    deviation,
    monday_of,
    ranks,
    same_weekdays_before,
    summarise,
)

MONDAY = dt.date(2026, 3, 2)


def day(number: int) -> dt.date:
    return MONDAY + dt.timedelta(days=number)


def series(**by_day: int) -> dict[dt.date, Decimal]:
    """Quantities by the number of the day: series(d0=3, d7=4)."""
    return {day(int(name[1:])): Decimal(quantity) for name, quantity in by_day.items()}


def decimals(*quantities: float) -> list[Decimal]:
    return [Decimal(str(each)) for each in quantities]


def sale(number: int, quantity: float, dish: str = "rice", revenue: str | None = None) -> Sale:
    money = None if revenue is None else Decimal(revenue)
    return Sale(day(number), dish, dish.title(), Decimal(str(quantity)), money)


def of(summaries: list[Summary], period: str, number: int, dish: str = "rice") -> Summary:
    (found,) = [
        each
        for each in summaries
        if (each.period, each.starts_on, each.dish) == (period, day(number), dish)
    ]
    return found


# Change


def test_a_day_is_compared_with_the_same_weekday_of_the_week_before():
    assert compare(series(d7=15), series(d0=12, d6=99)) == Comparison(0.25, 1)


def test_a_week_is_compared_on_the_days_that_are_known_in_both():
    # Monday and Wednesday are known in both: 10 + 20 then, 12 + 24 now. Tuesday and Sunday
    # are known in one of them only.
    before = series(d0=10, d1=50, d2=20)
    these = series(d7=12, d9=24, d13=70)

    assert compare(these, before) == Comparison(0.2, 2)


def test_there_is_no_change_on_nothing():
    assert compare(series(d7=15), {}) == Comparison(None, 0)
    assert compare(series(d7=15), series(d0=0)) == Comparison(None, 1)


def test_what_is_no_longer_sold_has_fallen_by_all_of_it():
    assert compare(series(d7=0), series(d0=8)).change == -1


# Unusual days


def test_the_score_counts_median_absolute_deviations_from_the_median():
    # Median of the eight: (100 + 104) / 2 = 102. Distances: 22 12 2 2 2 8 18 98, in order
    # 2 2 2 8 12 18 22 98: their median is 10. The root of 102 is 10.0995, which is more.
    history = decimals(80, 90, 100, 100, 104, 110, 120, 200)

    found = deviation(Decimal(163), history)

    assert found is not None
    assert found.usual == 102
    assert found.score == pytest.approx(61 / 10.0995, rel=1e-4)
    assert found.is_unusual  # 6.04


def test_a_wide_scatter_makes_less_unusual():
    # Median 100, distances 40 30 20 10 10 20 30 40: their median is 25, above the root of 100.
    history = decimals(60, 70, 80, 90, 110, 120, 130, 140)

    assert deviation(Decimal(249), history).score == pytest.approx(5.96)
    assert not deviation(Decimal(249), history).is_unusual
    assert deviation(Decimal(250), history).is_unusual


def test_a_day_may_be_unusually_low():
    found = deviation(Decimal(10), decimals(100, 100, 100, 100))

    assert found.score == pytest.approx(-9.0)
    assert found.is_unusual


def test_days_that_happen_to_be_alike_make_no_small_difference_unusual():
    # The MAD is 0; one deviation counts as the root of 4: 2 portions. 15 is 5.5 of them off.
    assert not deviation(Decimal(15), decimals(4, 4, 4, 4, 4)).is_unusual
    assert deviation(Decimal(16), decimals(4, 4, 4, 4, 4)).is_unusual


def test_a_dish_that_never_sold_is_judged_by_whole_portions():
    assert deviation(Decimal(5), decimals(0, 0, 0, 0)).score == 5.0


def test_with_three_days_of_history_nothing_is_said():
    assert deviation(Decimal(999), decimals(1, 1, 1)) is None


def test_history_is_the_same_weekday_of_eight_weeks_and_leaves_out_what_is_missing():
    mondays = {day(-7 * week): Decimal(week) for week in (1, 2, 4, 8, 9)}
    other = series(d1=77, d6=77)

    assert same_weekdays_before(MONDAY, mondays | other) == [1, 2, 4, 8]


def test_one_unusual_day_hardly_moves_what_is_usual():
    with_festival = decimals(50, 50, 52, 48, 51, 49, 50, 400)

    assert deviation(Decimal(50), with_festival).usual == 50


# Days, weeks, places


def test_the_week_begins_on_monday():
    assert monday_of(day(6)) == MONDAY
    assert monday_of(MONDAY) == MONDAY


def test_the_clock_change_of_summer_makes_no_day_longer_or_shorter():
    """Europe and America change their clocks in March; business days are plain dates."""
    sales = [sale(number, 10) for number in range(-7, 42)]

    found = summarise(sales, first=MONDAY, until=day(42))

    weeks = [each for each in found if each.period == "week"]
    assert [each.quantity for each in weeks] == [70] * 6
    assert [each.days for each in weeks] == [7] * 6
    assert {each.change for each in found} == {0.0}


def test_equals_share_a_place_and_the_next_is_left_out():
    assert ranks({"a": Decimal(5), "b": Decimal(9), "c": Decimal(5), "d": Decimal(1)}) == {
        "b": 1,
        "a": 2,
        "c": 2,
        "d": 4,
    }


def test_in_the_first_week_there_is_nothing_to_compare_with():
    found = summarise([sale(0, 4), sale(1, 6)], first=MONDAY, until=day(7))

    week = of(found, "week", 0)
    assert (week.quantity, week.days, week.change, week.previous_quantity) == (10, 2, None, None)
    assert of(found, "day", 1).score is None


def test_a_missing_day_has_no_summary_and_no_part_in_a_change():
    sales = [sale(0, 10), sale(2, 30), sale(7, 11), sale(8, 99)]

    found = summarise(sales, first=MONDAY, until=day(14))

    assert {each.starts_on for each in found if each.period == "day"} == {
        day(0),
        day(2),
        day(7),
        day(8),
    }
    week = of(found, "week", 7)
    assert (week.change, week.days_compared, week.previous_quantity) == (0.1, 1, 40)


def test_a_day_of_zeros_is_a_closed_day_and_a_single_zero_is_a_zero():
    closed = [sale(0, 0), sale(0, 0, "soup")]
    sold_out = [sale(1, 0), sale(1, 5, "soup")]

    found = summarise(closed + sold_out, first=MONDAY, until=day(7))

    assert {each.starts_on for each in found if each.period == "day"} == {day(1)}
    assert of(found, "day", 1).quantity == 0
    assert of(found, "day", 1).rank == 2
    assert of(found, "week", 0).days == 1


def test_a_weeks_revenue_is_known_when_every_days_is():
    known = [sale(0, 1, revenue="2.50"), sale(1, 1, revenue="3.00")]
    in_part = [sale(0, 1, "soup", revenue="9.00"), sale(1, 1, "soup")]

    found = summarise(known + in_part, first=MONDAY, until=day(7))

    assert of(found, "week", 0).revenue == Decimal("5.50")
    assert of(found, "week", 0, "soup").revenue is None


def test_a_week_that_has_not_ended_has_its_days_and_no_total():
    found = summarise([sale(0, 1), sale(7, 1)], first=MONDAY, until=day(10))

    assert [each.starts_on for each in found if each.period == "week"] == [MONDAY]
    assert of(found, "day", 7).quantity == 1
