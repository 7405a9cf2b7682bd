"""Days beyond belief: a typing error lifts no forecast, and is told."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from django.utils import timezone

from neural.forecasting.core.doubtful import deviating_days, doubtful_days, without
from neural.forecasting.core.expectation import MOST_MOVED, forecast
from neural.forecasting.core.lags import Past
from neural.forecasting.core.participant import simulate
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from neural.forecasting.models import Forecast
from neural.forecasting.outlook.next_days import forecast_store, model_in_force
from neural.forecasting.outlook.review import doubts_of
from neural.forecasting.sales import sales_of
from neural.forecasting.sources import demand_source
from neural.models import AuditEntry, NeuralEvent, Store
from neural.restaurant.models import DailyDemand, SalesReport
from tests.unit.admin import admin_world
from tests.unit.celeryapp.canvas import run_all
from tests.unit.factories import make_store
from tests.unit.forecasting.chains import SMALL, chain
from tests.unit.restaurant.demand import day, sell
from tests.unit.restaurant.history import Reporter, at

USUAL = [60.0, 100.0, 80.0, 90.0, 110.0, 140.0, 120.0]


def weeks(number, **typed):
    sold = np.array(USUAL * number)
    for row, amount in typed.items():
        sold[int(row[1:])] = amount
    return sold[:, None]


def rows(quantities):
    return [each.row for each in doubtful_days(quantities)]


@pytest.mark.parametrize("row", [0, 3, 27, 28, 69])
def test_a_day_of_a_thousand_times_what_is_usual_is_doubtful_wherever_it_stands(row):
    assert rows(weeks(10, **{f"d{row}": 100_000.0})) == [row]


def test_what_is_usual_is_told_with_it():
    (found,) = doubtful_days(weeks(10, d50=100_000.0))

    assert (found.reported, found.column) == (100_000.0, 0)
    assert found.usual == pytest.approx(100.0)


def test_the_level_is_that_of_the_other_days():
    sold = weeks(10, d69=100_000.0)
    believed = without(sold, doubtful_days(sold))

    assert Past(sold).level[-1, 0] > 3000
    assert Past(believed).level[-1, 0] == pytest.approx(100.0, rel=0.02)


def test_a_feast_of_five_times_the_usual_and_a_party_that_orders_a_rare_dish_are_believed():
    rare = np.zeros((70, 1))
    rare[::3] = 1.0
    rare[60] = 20.0

    assert rows(weeks(10, d50=500.0)) == []
    assert rows(rare) == []


@pytest.mark.parametrize("typed", [600.0, 1_000.0, 100_000.0])
def test_one_digit_too_many_is_enough(typed):
    assert rows(np.where(np.arange(70) == 50, typed, 60.0)[:, None]) == [50]


@pytest.mark.parametrize("every", [1, 3, 7])
def test_two_hundred_of_a_dish_that_sells_two_is_doubtful_however_rarely_it_sells(every):
    sold = np.zeros((140, 1))
    sold[::every] = 2.0
    sold[105] = 200.0

    assert rows(sold) == [105]


def test_a_weekday_that_sells_many_times_the_others_is_believed():
    week = [10.0, 10.0, 10.0, 10.0, 10.0, 300.0, 0.0]

    assert rows(np.array(week * 10)[:, None]) == []


def test_a_new_level_is_believed_on_its_fifth_day():
    assert rows(np.concatenate([weeks(10), 50 * weeks(10)])) == [70, 71, 72, 73]


def test_a_quantity_that_a_person_has_confirmed_is_not_doubtful():
    sold = weeks(10, d50=100_000.0)
    confirmed = np.arange(70)[:, None] == 50

    assert doubtful_days(sold, confirmed) == []


FLAT = np.ones(70)


def test_the_four_days_that_deviate_most_from_their_weekdays_are_found_on_either_side():
    sold = weeks(10, d69=260.0, d60=200.0, d41=0.0)

    found = deviating_days(sold, FLAT)

    assert [each.row for each in found.high] == [69, 60]
    assert [(each.row, each.reported, each.usual) for each in found.low] == [(41, 0.0, 120.0)]


def test_four_of_the_same_weekday_do_not_pass_for_usual():
    sold = weeks(11, d76=1200.0, d69=1200.0, d62=1200.0, d55=1200.0)

    found = deviating_days(sold, np.ones(77))

    assert sorted(each.row for each in found.high) == [55, 62, 69, 76]


def test_a_new_level_and_a_confirmed_day_do_not_deviate():
    higher = np.concatenate([weeks(10), 2 * weeks(1)])[:-2]
    confirmed = np.arange(70)[:, None] == 69

    assert deviating_days(higher, np.ones(75)) == ([], [])
    assert deviating_days(weeks(10, d69=260.0), FLAT, confirmed) == ([], [])


def test_of_a_dish_of_three_weeks_one_day_deviates_and_in_the_first_week_none():
    assert len(deviating_days(weeks(3, d20=900.0, d19=900.0), np.ones(21)).high) == 1
    assert deviating_days(weeks(1, d6=900.0), np.ones(7)) == ([], [])


@pytest.mark.parametrize("days", [(1,), (1, 2, 3), (1, 2, 3, 4), (7, 14, 21, 28)], ids=str)
@pytest.mark.parametrize("factor", [0.0, 1.5, 4.5, 1_000.0])
def test_whatever_four_days_say_a_forecast_moves_by_a_quarter_at_most(server_state, days, factor):
    store = chain(6, level=60.0)["S01"]
    sold = store.quantities.copy()
    sold[[-day for day in days], 0] *= factor
    sold = without(sold, doubtful_days(sold))

    before = forecast(server_state, store)[0]
    after = forecast(server_state, replace(store, quantities=sold))[0]

    # Without the few days that deviate most, by chance alone, it is not quite the same.
    most = MOST_MOVED * 1.08
    assert sum(before.mean) / most <= sum(after.mean) <= most * sum(before.mean)


def test_a_forecast_that_was_held_names_the_days_until_they_are_confirmed(server_state):
    store = chain(6, level=60.0)["S01"]
    sold = store.quantities.copy()
    sold[-4:, 0] *= 4.5
    told = replace(store, quantities=sold)
    confirmed = np.zeros(sold.shape, dtype=bool)
    confirmed[-4:, 0] = True

    held, other = forecast(server_state, told)
    free = forecast(server_state, replace(told, confirmed=confirmed))[0]

    assert {day for day, *_ in held.unconfirmed} == {store.day(86 + each) for each in range(4)}
    assert not other.unconfirmed
    assert not free.unconfirmed
    assert sum(free.mean) > 1.1 * sum(held.mean)


def test_a_new_level_is_followed_without_a_person_after_a_week(server_state):
    store = chain(6, level=60.0)["S01"]
    sold = store.quantities.copy()
    sold[-7:, 0] *= 2.0

    told = replace(store, quantities=sold)
    confirmed = np.ones(sold.shape, dtype=bool)

    alone = forecast(server_state, told)[0]

    assert not alone.unconfirmed
    assert alone.mean == forecast(server_state, replace(told, confirmed=confirmed))[0].mean


def test_a_dish_that_grows_fast_is_believed():
    assert rows(np.round(2 * 1.2 ** np.arange(40))[:, None]) == []


@pytest.mark.parametrize("typed", [600.0, 1_000.0, 100_000.0])
@pytest.mark.parametrize("back", [1, 5, 20])
def test_the_forecast_stays_what_it_is_without_the_day(server_state, typed, back):
    store = chain(6, level=60.0)["S01"]
    sold = store.quantities.copy()
    sold[-back, 0] = typed
    believed = without(sold, doubtful_days(sold))

    before = forecast(server_state, store)[0]
    after = forecast(server_state, replace(store, quantities=believed))[0]

    assert after.mean == pytest.approx(before.mean, rel=0.05)


@pytest.fixture(scope="module")
def server_state():
    """A model of a chain that sells some 60 a day."""
    return simulate(kind=DEMAND_FORECAST, config=SMALL, stores=chain(6, level=60.0)).server_state


def test_with_less_than_a_week_of_sales_nothing_is_doubtful():
    assert rows(np.array([[1.0], [100_000.0], [1.0], [1.0]])) == []


@pytest.mark.django_db
def test_a_stores_sales_leave_a_doubtful_day_out_and_people_are_told():
    store = make_store("S01")
    sell(store, dict.fromkeys(range(40), 100) | {35: 100_000})

    sales = sales_of(store, today=day(40), history_days=365)

    assert np.flatnonzero(np.isnan(sales.quantities[:, 0])).tolist() == [35]
    (doubt,) = doubts_of(store, today=day(40))
    assert (doubt.day, doubt.name, doubt.reported, doubt.usual) == (day(35), "Rice", 100_000, 100)


@pytest.mark.django_db
def test_the_forecasts_page_shows_a_doubtful_day(admin_client):
    store = make_store("S01")
    today = store.business_day(timezone.now())
    start = (today - day(0)).days
    sell(store, {start - back: 100 for back in range(1, 40)} | {start - 5: 100_000})

    page = admin_client.get("/admin/neural_forecasting/forecast/store/S01/").content.decode()

    doubtful = today - dt.timedelta(days=5)
    assert f"{doubtful} is doubtful and left out of forecasts: 100,000 of Rice" in page


PAGE = "/admin/neural_forecasting/forecast/store/S01/"


@pytest.fixture
def today(db):
    """Of a store whose last four days were typed, and whose forecast is held for it."""
    store = make_store("S01")
    today = store.business_day(timezone.now())
    start = (today - day(0)).days
    sell(store, {start - back: 100 for back in range(5, 100)})
    till, lines = Reporter(store), [{"dish": "rice", "quantity": "450"}]
    for back in range(1, 5):
        till.report("sales.reported", day=asked(today, back)["day"], lines=lines)
    make_forecast()
    return today


def make_forecast():
    """Made anew; returns how much is expected altogether."""
    store = Store.objects.get(pk="S01")
    forecast_store(store, model=model_in_force("demand_forecast"), now=timezone.now())
    return sum(Forecast.objects.get(store=store).mean)


def asked(today, back):
    return {"day": (today - dt.timedelta(days=back)).isoformat(), "dish": "rice"}


def test_the_forecasts_page_says_that_it_was_held_and_by_which_days(admin_client, today):
    page = admin_client.get(PAGE).content.decode()

    for back in range(1, 5):
        assert f"until somebody has looked at {today - dt.timedelta(days=back)}: 450" in page
    assert page.count('action="confirm/"') == 4


def test_confirmed_days_count_in_the_next_forecast_and_the_audit_says_who(admin_client, today):
    held = make_forecast()
    for back in range(1, 5):
        assert admin_client.post(f"{PAGE}confirm/", asked(today, back)).status_code == 302
    run_all()

    assert 'action="confirm/"' not in admin_client.get(PAGE).content.decode()
    assert make_forecast() > 1.2 * held
    entries = AuditEntry.objects.filter(action="forecast.confirm")
    assert entries.count() == 4


def test_who_may_not_confirm_gets_no_button_and_is_refused(today):
    client = admin_world.client_of("view_forecast")

    assert 'action="confirm/"' not in client.get(PAGE).content.decode()
    assert client.post(f"{PAGE}confirm/", asked(today, 1)).status_code == 403
    assert client.get(f"{PAGE}confirm/").status_code == 405


def test_a_day_of_another_store_cannot_be_confirmed(today):
    mine = admin_world.store("S2")
    client = admin_world.client_of("view_forecast", "confirm_forecast", stores=[mine])

    assert client.post(f"{PAGE}confirm/", asked(today, 1)).status_code == 404
    assert not NeuralEvent.objects.filter(source="console").exists()


@pytest.mark.django_db
def test_a_confirmation_keeps_the_report_and_gives_way_to_a_correction():
    store = make_store("S01")
    till, of_day = Reporter(store), {"day": day(3).isoformat(), "holiday": True}
    till.report("sales.reported", at(0), lines=[{"dish": "rice", "quantity": "450"}], **of_day)

    demand_source().confirm(store, day=day(3), dish="rice", by="ann")
    run_all()

    assert SalesReport.objects.get().context == {"holiday": True, "confirmed": ["rice"]}
    assert DailyDemand.objects.get().quantity == 450
    till.report("sales.reported", at(1), lines=[{"dish": "rice", "quantity": "100"}], **of_day)
    assert SalesReport.objects.get().context == {"holiday": True}
    assert DailyDemand.objects.get().quantity == 100


@pytest.mark.django_db
def test_a_confirmation_of_a_day_of_orders_leaves_their_sums_alone():
    store = make_store("S01")
    till = Reporter(store)
    till.report(
        "order.stated", at(0), order_id="A1", lines=[{"dish": "rice", "quantity": 450, "price": 9}]
    )
    known = DailyDemand.objects.get()

    demand_source().confirm(store, day=known.day, dish="rice", by="ann")
    run_all()

    assert (SalesReport.objects.get().lines, DailyDemand.objects.get().quantity) == ([], 450)
    sales = sales_of(store, today=known.day + dt.timedelta(days=1), history_days=9)
    assert sales.confirmed.all()
