"""What was served is measured every night: forecasts beside what was sold, and the rule's."""

import datetime as dt
import re

import pytest
from django.urls import reverse
from django.utils import timezone

from neural.forecasting.models import Forecast, ForecastAccuracy
from neural.forecasting.neural_alerts import FORECASTS_LOSE
from neural.forecasting.outlook import accuracy, next_days
from neural.forecasting.sales import sales_of
from neural.restaurant.models import DailyDemand
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning
from tests.unit.monitoring.alert_rules import NOON, found, view

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]
DAY = learning.DAY
PAGE = "admin:neural_forecasting_forecast_accuracy"


def days(number):
    return DAY + dt.timedelta(days=number)


def sell(store, quantities, dish="rice"):
    """What was sold, by days after DAY."""
    for number, quantity in quantities.items():
        DailyDemand.objects.update_or_create(
            store=store, day=days(number), dish=dish, defaults={"reported_quantity": quantity}
        )


def measure(store, number):
    """Measure as on the morning of this many days after DAY; how many rows were written."""
    return accuracy.measure(store, sales_of(store, today=days(number), history_days=400))


def rows(**fields):
    return {(each.day - DAY).days: each for each in ForecastAccuracy.objects.filter(**fields)}


def row(store, day, *, horizon=1, sold=100.0, forecast=110.0, error=20.0, rule=10.0, **fields):
    return ForecastAccuracy.objects.create(
        store=store, day=day, horizon=horizon, sold=sold, forecast=forecast, error=error,
        rule_error=rule, **fields,
    )  # fmt: skip


# Measuring


def test_the_forecast_the_night_before_is_measured_dish_by_dish():
    store = world.store()
    sell(store, {-7: 10, 0: 10, 7: 14})
    sell(store, {-7: 20, 0: 20, 7: 30}, "soup")
    learning.forecast(store, made_on=days(6), middle=12.0)
    learning.forecast(store, "soup", made_on=days(6), middle=33.0)

    assert measure(store, 8) == 1

    (found,) = ForecastAccuracy.objects.all()
    assert (found.store_id, found.day, found.horizon) == ("S1", days(7), 1)
    assert (found.sold, found.forecast) == (44.0, 45.0)
    assert found.error == 2.0 + 3.0  # too little of one dish does not make up for another
    assert found.rule_error == 4.0 + 10.0  # ten and twenty on the same weekday before
    assert found.dishes == {"rice": [14.0, 12.0, 10.0], "soup": [30.0, 33.0, 20.0]}


def test_each_night_that_forecast_a_day_is_a_horizon():
    store = world.store()
    sell(store, dict.fromkeys(range(-20, 15), 10))
    for night in range(14):
        learning.forecast(store, made_on=days(night), middle=10.0 + night)

    measure(store, 15)

    last = ForecastAccuracy.objects.filter(day=days(14))
    assert {each.horizon: each.forecast for each in last} == {
        14 - night: 10.0 + night for night in range(14)
    }
    assert {each.horizon for each in last if each.dishes is not None} == {1}


def test_days_whose_demand_is_not_known_do_not_count():
    store = world.store()
    sell(store, {-7: 10, 0: 10, 1: 10, 4: 10})  # closed on the second and third
    learning.forecast(store, middle=[12.0, 12.0, None, None, *[12.0] * 10])

    measure(store, 5)

    assert set(rows()) == {1}  # of the fourth, the forecast was that it would be closed


def test_what_is_corrected_later_is_measured_again_and_the_rest_is_left_alone():
    store = world.store()
    sell(store, dict.fromkeys(range(-10, 4), 10))
    learning.forecast(store, middle=10.0)
    assert measure(store, 4) == 3
    ForecastAccuracy.objects.update(measured_at=timezone.now() - dt.timedelta(days=1))

    assert measure(store, 4) == 0
    sell(store, {3: 12})
    assert measure(store, 4) == 1

    assert {day: each.error for day, each in rows().items()} == {1: 0.0, 2: 0.0, 3: 2.0}


def test_a_forecast_by_the_rule_itself_errs_as_the_rule_does_from_every_night():
    store = world.store()
    sell(store, {number: 10 + number * 7 % 13 for number in range(-40, 30) if number % 9})
    model = next_days.model_in_force("demand_forecast")
    assert model.version is None
    for morning in range(30):
        next_days.forecast_store(store, model=model, now=timezone.now(), as_of=days(morning))

    assert set(Forecast.objects.values_list("method", flat=True)) == {"weekday_mean"}
    found = ForecastAccuracy.objects.all()
    assert len(found) > 200
    assert all(each.error == pytest.approx(each.rule_error, abs=0.001) for each in found)


def test_a_new_store_without_sales_has_nothing_to_measure():
    assert accuracy.measure(world.store(), next_days.nothing_sold(world.store(), today=DAY)) == 0


# Reading


def test_lines_are_sums_over_the_last_weeks_by_horizon_store_and_dish():
    one, two = world.store("S1"), world.store("S2")
    row(one, days(0), dishes={"rice": [60, 70, 50], "soup": [40, 40, 40]})
    row(one, days(1), error=10.0, rule=20.0, dishes={"rice": [100, 110, 120]})
    row(two, days(1), error=50.0, rule=5.0, dishes={})
    row(one, days(1), horizon=5, error=30.0)
    row(one, days(1), horizon=9, error=40.0)
    row(one, days(-40), error=9000.0)
    recent = accuracy.lately(ForecastAccuracy.objects.all())

    horizons = {each.of: (each.wape, each.days) for each in accuracy.by_horizon(recent)}
    assert horizons == {
        (1, 1): (pytest.approx(80 / 300), 3), (2, 7): (0.3, 1), (8, 14): (0.4, 1)
    }  # fmt: skip
    stores = [(each.of, each.error_a_day, each.loses) for each in accuracy.by_store(recent)]
    assert stores == [(two, 50.0, True), (one, 15.0, False)]  # that which loses most is first
    dishes = [
        (each.of, each.error, each.rule_error, each.bias) for each in accuracy.by_dish(recent)
    ]
    assert dishes == [("rice", 20.0, 30.0, 180 / 160), ("soup", 0.0, 0.0, 1.0)]


def text(client, address):
    answer = client.get(address, headers={"accept-language": "en"})
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_stores_page_shows_errors_beside_the_rules_by_horizon_and_dish():
    store = world.store()
    learning.forecast(store)
    row(store, days(1), dishes={"rice": [100, 120, 90]})
    row(world.store("S2"), days(1), sold=1.0)

    page = text(world.superuser(), reverse("admin:neural_forecasting_forecast_store", args=["S1"]))

    line = page[page.index("the next day</th>") :]
    assert re.findall(r'neural-loss">([^<]*)<', line)[:2] == ["20.0%", "20.0%"]
    assert ">10.0%</td>" in line
    assert "Rice" in line


def test_the_chains_page_has_the_users_own_stores_alone():
    for code in ("S1", "S2"):
        row(world.store(code), days(1))
    everywhere = text(world.superuser(), reverse(PAGE))
    mine = text(world.client_of("view_forecast", stores=[world.store("S1")]), reverse(PAGE))

    address = reverse("admin:neural_forecasting_forecast_store", args=["S2"])
    assert address in everywhere
    assert address not in mine
    assert world.client_of(name="kim").get(reverse(PAGE)).status_code == 403


def test_without_anything_measured_the_page_says_when_it_will_be():
    assert "measured in the night after it" in text(world.superuser(), reverse(PAGE))


# The alert


@pytest.mark.parametrize(
    ("known", "rule", "since", "is_found"),
    [(14, 10.0, 0, True), (14, 30.0, 0, False), (9, 10.0, 0, False), (14, 10.0, 40, False)],
)
def test_the_rules_having_won_for_two_weeks_is_an_alert(known, rule, since, is_found):
    today = NOON.date()
    for back in range(known):
        row(world.store(), today - dt.timedelta(days=since + back + 1), rule=rule)
        row(world.store(), today - dt.timedelta(days=since + back + 1), horizon=2, rule=900.0)

    assert found(FORECASTS_LOSE, view()) == ({"": "warning"} if is_found else {})


def test_the_alert_says_by_how_much():
    facts = {"error": 0.2, "rule_error": 0.1834}

    assert "were off by 20.0% of what was sold; the mean" in FORECASTS_LOSE.sentence("", facts)
    assert "by 18.3%" in FORECASTS_LOSE.sentence("", facts)
