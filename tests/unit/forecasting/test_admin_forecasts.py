"""Forecasts in the admin: what to prepare, the band, hits and misses, and who may see them."""

import datetime as dt
import re

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from neural.forecasting.admin.charts import chart_of
from neural.forecasting.outlook.review import (
    Band,
    ForecastDay,
    band_of_sum,
    correlation,
    outlook,
    portions,
)
from neural.restaurant.models import DailyDemand
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

SCRIPT = "<script>alert(1)</script>"
DAY = learning.DAY
PERMITTED = "view_forecast"


def days(number):
    return DAY + dt.timedelta(days=number)


def sell(store, quantities, dish="rice"):
    """What was sold, by days after DAY."""
    DailyDemand.objects.bulk_create(
        DailyDemand(store=store, day=days(number), dish=dish, reported_quantity=quantity)
        for number, quantity in quantities.items()
    )


def page_of(code="S1", query=""):
    return reverse("admin:neural_forecasting_forecast_store", args=[code]) + query


def text(client, address, language="en"):
    answer = client.get(address, headers={"accept-language": language})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def look(store, *, today=0, **options):
    return outlook(store=store, today=days(today), **options)


# What to prepare


def test_portions_are_rounded_up_and_what_sells_most_is_first():
    store = world.store()
    learning.forecast(store, "tea", middle=7.2)
    learning.forecast(store, "rice", middle=40.0)

    found = look(store)

    shown = [(each.dish, each.usual, each.rarely_out) for each in found.portions]
    assert shown == [("rice", 40, 50), ("tea", 8, 9)]


def test_the_last_digit_of_a_float_is_no_portion():
    assert [portions(each) for each in (3.0000000001, 3.01, 2.9999999999, 0.0)] == [3, 4, 3, 0]


def test_portions_are_for_the_day_after_today_by_the_stores_clock():
    store = world.store()
    learning.forecast(store, middle=[float(number) for number in range(1, 15)])

    assert [
        (look(store, today=n).prepare_on, look(store, today=n).portions[0].usual) for n in (0, 1)
    ] == [
        (days(1), 1),
        (days(2), 2),
    ]


def test_any_day_of_the_forecast_may_be_chosen_and_no_other():
    store = world.store()
    learning.forecast(store)

    assert look(store, prepare_on=days(14)).prepare_on == days(14)
    assert look(store, prepare_on=days(15)).prepare_on == days(1)
    assert look(store, today=90).prepare_on == days(1)


def test_on_a_closed_day_nothing_is_to_be_prepared():
    store = world.store()
    learning.forecast(store, middle=[None, *[40.0] * 13])

    (portion,) = look(store).portions

    assert (portion.usual, portion.rarely_out) == (None, None)
    assert "closed" in text(world.superuser(), page_of(query=f"?day={days(1)}"))


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ["The usual choice", "To rarely run out", "Hits and misses", "habits"]),
        ("zh-hans", ["常规备量", "少断货备量", "命中与偏离", "销售习惯", "备餐"]),
    ],
)
def test_a_stores_page_says_it_in_both_languages(language, texts):
    store = world.store()
    learning.forecast(store, version=learning.version())
    sell(store, {0: 41})

    page = text(world.superuser(), page_of(), language)

    for shown in [*texts, "Rice", "<strong>40</strong>", "<svg"]:
        assert shown in page


def test_a_stores_page_leads_to_its_last_weeks():
    learning.forecast(world.store(), version=learning.version())

    page = text(world.superuser(), page_of())

    assert '<a href="/admin/neural_restaurant/demandsummary/store/S1/">Last weeks</a>' in page


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("blend", "this store's own habits"),
        ("global", "the chain's model at its own level, not yet its own habits."),
        ("weekday_mean", "four same weekdays. No model that can be used is in force."),
        ("seasonal_naive", "the last same weekday. No model that can be used is in force."),
    ],
)
def test_the_page_says_what_made_the_forecast(method, says):
    version = learning.version() if method in ("blend", "global") else None
    learning.forecast(world.store(), method=method, version=version)

    page = text(world.superuser(), page_of()).replace("&#x27;", "'")

    assert says in page
    assert ("Version 1" in page) == (version is not None)
    assert ("Without a model" in page) == (version is None)


def test_dishes_that_were_made_in_different_ways_say_so_each():
    store = world.store()
    learning.forecast(store, "rice", method="blend")
    learning.forecast(store, "tea", method="seasonal_naive")

    page = text(world.superuser(), page_of())

    assert "How it was made" in page
    assert "as on the last same weekday" in page


def test_tomorrow_is_called_so_and_an_old_forecast_says_that_it_is_old():
    yesterday = timezone.localdate() - dt.timedelta(days=1)
    learning.forecast(world.store("S1"), made_on=yesterday)
    learning.forecast(world.store("S2"), made_on=yesterday - dt.timedelta(days=60))
    client = world.superuser()

    assert "Prepare for tomorrow" in text(client, page_of("S1"))
    assert "its days are over" in text(client, page_of("S2"))
    assert "Prepare for tomorrow" not in text(client, page_of("S2"))


def test_a_store_without_a_forecast_says_so_and_shows_what_it_sold():
    sell(world.store(), {0: 41})

    page = text(world.superuser(), page_of())

    assert "There is no forecast of this store yet." in page
    assert page.count("neural-sold-unjudged") == 1


# Hits and misses


def test_a_day_is_judged_by_the_newest_forecast_made_before_it():
    store = world.store()
    learning.forecast(store, made_on=DAY, middle=40.0)
    learning.forecast(store, made_on=days(1), middle=80.0)
    sell(store, {1: 40, 2: 80, 3: 101, 4: 59})

    judged = {day.day: day.verdict for day in look(store, today=4).judged}

    assert judged == {days(1): "hit", days(2): "hit", days(3): "above", days(4): "below"}
    assert look(store, today=4).hits == 2


def test_the_edges_of_the_band_are_hits():
    band = Band(30.0, 40.0, 50.0, DAY)

    verdicts = [ForecastDay(DAY, sold, band).verdict for sold in (29.9, 30.0, 50.0, 50.1)]

    assert verdicts == ["below", "hit", "hit", "above"]


def test_a_closed_day_is_neither_hit_nor_miss():
    store = world.store()
    learning.forecast(store, middle=[None, 40.0, *[None] * 12])
    sell(store, {1: 9, 3: 40})  # open against expectation; then closed on the day expected

    assert look(store, today=4).judged == []


def test_a_day_that_is_reported_with_nothing_sold_at_all_was_closed():
    store = world.store()
    learning.forecast(store)
    sell(store, {1: 40, 2: 0})

    found = look(store, today=2)

    assert [day.day for day in found.judged] == [days(1)]
    assert [day.day for day in found.days if day.sold is not None] == [days(1)]


def test_a_dish_that_sold_nothing_on_an_open_day_counts_as_nothing_sold():
    store = world.store()
    learning.forecast(store, "rice")
    sell(store, {1: 5}, "tea")

    (day,) = look(store, today=1, dish="rice").judged

    assert (day.sold, day.verdict) == (0, "below")


def test_all_dishes_together_are_those_that_were_forecast():
    store = world.store()
    learning.forecast(store, "rice", middle=40.0)
    learning.forecast(store, "tea", middle=20.0)
    sell(store, {1: 38}, "rice")
    sell(store, {1: 21}, "tea")
    sell(store, {1: 500}, "new dish")

    (day,) = look(store, today=1).judged

    assert (day.sold, day.band.middle, day.verdict) == (59, 60, "hit")


def test_one_dish_may_be_chosen_and_an_unknown_one_is_all_of_them():
    store = world.store()
    learning.forecast(store, "rice", middle=40.0)
    learning.forecast(store, "tea", middle=20.0)

    assert look(store, dish="tea").days[-1].band.middle == 20
    assert look(store, dish="nonsense").days[-1].band.middle == 60


@pytest.mark.parametrize(("alike", "width"), [(0, 200**0.5), (0.3, 260**0.5), (1, 20)])
def test_the_band_of_a_sum_is_as_wide_as_the_errors_of_its_parts_are_alike(alike, width):
    band = band_of_sum([Band(30.0, 40.0, 50.0, DAY)] * 2, correlation=alike)

    assert (band.middle, band.high - 80) == (80, pytest.approx(width))


def test_the_band_of_a_sum_never_goes_below_nothing():
    assert band_of_sum([Band(-9.0, 1.0, 3.0, DAY)] * 2, correlation=1).low == 0


@pytest.mark.parametrize(
    ("days", "tea", "measured"),
    [(14, 10.0, 1.0), (14, -10.0, 0.0), (14, 2.56, 0.512), (13, -10.0, 1.0)],
)
def test_how_alike_errors_are_is_measured_on_the_days_of_the_store(days, tea, measured):
    """Rice is sold ten portions more than forecast every day, and tea more or less."""
    every = [DAY + dt.timedelta(days=ahead) for ahead in range(days)]
    sold = {day: {"rice": 50.0, "tea": 40.0 + tea} for day in every}
    band = Band(30.0, 40.0, 48.09, DAY)

    found = correlation(sold, {day: {"rice": band, "tea": band} for day in every})

    assert found == pytest.approx(measured, abs=0.01)


def test_a_page_says_the_share_of_hits():
    store = world.store()
    learning.forecast(store)
    sell(store, {1: 40, 2: 41, 3: 99})

    assert "2 of 3 days were within the band." in text(world.superuser(), page_of())


# The chart


def test_the_chart_has_eight_weeks_back_and_two_ahead_in_whole_weeks():
    store = world.store()
    learning.forecast(store)
    sell(store, {0: 41})

    found = look(store)

    assert len(found.days) == 70
    assert (found.days[0].day, found.days[-1].day) == (days(-55), days(14))


def test_bars_and_bands_are_drawn_to_one_scale_and_the_coming_days_are_set_apart():
    band = Band(20.0, 30.0, 40.0, days(1))
    shown = [
        ForecastDay(DAY, 20.0, None),
        ForecastDay(days(1), None, None),
        ForecastDay(days(2), None, band),
    ]

    chart = chart_of(shown)

    assert (chart.top, chart.width, chart.ahead, chart.rest) == (40, 30, 10, 20)
    assert [(bar.y, bar.height, bar.kind) for bar in chart.bars] == [("50.0", "50.0", "unjudged")]
    assert [(each.x, each.y, each.height) for each in chart.bands] == [("20.0", "0.0", "50.0")]
    assert [(each.y, each.width) for each in chart.middles] == [("25.0", "10.0")]


def test_a_store_of_which_nothing_is_known_has_no_chart():
    world.store()

    assert look(world.store()).days == []
    assert "neural-outlook" not in text(world.superuser(), page_of())


# Lists, links and who may


def test_the_list_shows_the_next_day_of_each_dish_and_links_to_the_stores_page():
    learning.forecast(world.store(), version=learning.version())

    page = text(world.superuser(), world.list_of("forecast"))

    assert "40 (30 – 50)" in page
    assert f'href="{page_of()}"' in page


def test_a_forecasts_own_page_has_every_day():
    row = learning.forecast(world.store(), middle=[None, *[40.0] * 13])

    page = text(world.superuser(), world.page_of(row))

    assert f"{days(1)} closed" in page
    assert f"{days(14)} 40 (30 – 50)" in page


def test_the_stores_page_links_to_what_to_prepare():
    page = text(world.superuser(), world.page_of(world.store()))

    assert f'href="{page_of()}"' in page
    assert f'href="{world.list_of("storeupdate")}?store=S1"' in page


def test_a_store_is_told_why_its_part_in_the_last_round_was_not_used():
    store = world.store()
    learning.update(learning.training(), store, "left_out", reason="outlier")

    page = text(world.superuser(), page_of())
    assert "its part was not used: its sums are far from those of the other stores." in page

    learning.update(learning.training(), store)
    assert "was not used" not in text(world.superuser(), page_of())


def test_a_limited_user_sees_forecasts_of_their_own_stores_alone():
    mine = learning.forecast(world.store("S1"))
    theirs = learning.forecast(world.store("S2"))
    client = world.client_of(PERMITTED, stores=[world.store("S1")])

    assert list(client.get(world.list_of("forecast")).context["cl"].result_list) == [mine]
    assert client.get(page_of("S1")).status_code == 200
    assert client.get(page_of("S2")).status_code == 404
    assert client.get(world.page_of(theirs)).status_code in (302, 404)
    assert not client.get(f"{world.list_of('forecast')}?store=S2").context["cl"].result_list


def test_without_the_permission_or_a_login_nothing_is_shown():
    learning.forecast(world.store())

    assert world.client_of().get(page_of()).status_code == 403
    assert Client().get(page_of()).status_code == 302


@pytest.mark.parametrize("query", ["?day=nonsense", "?day=9999-12-31", "?dish=", "?dish=%00"])
def test_an_address_that_says_nothing_shows_the_usual_page(query):
    learning.forecast(world.store())

    assert world.superuser().get(page_of(query=query)).status_code == 200


@pytest.mark.parametrize(
    "name", ["neural_forecasting_forecast_store", "neural_restaurant_demandsummary_store"]
)
def test_what_cannot_be_a_stores_code_is_no_store_to_any_database(name, admin_client):
    answer = admin_client.get(reverse(f"admin:{name}", args=["S1"]).replace("S1", "S%00"))

    assert answer.status_code == 404


def test_names_from_outside_are_never_markup():
    store = world.store()
    learning.forecast(store, SCRIPT, name=SCRIPT)
    sell(store, {0: 9}, SCRIPT)
    client = world.superuser()

    for address in (page_of(), world.list_of("forecast"), page_of(query="?dish=" + SCRIPT)):
        assert SCRIPT not in text(client, address)


def test_a_page_takes_as_many_queries_for_many_dishes_as_for_one():
    client, store = world.superuser(), world.store()
    learning.forecast(store, "rice")
    sell(store, {0: 1})
    one = len(world.statements(client, page_of()))
    for number in range(9):
        learning.forecast(store, f"dish {number}")
        sell(store, {0: 1}, f"dish {number}")

    sql = world.statements(client, page_of())

    assert len(sql) == one
    assert '"content"' not in " ".join(sql)
