"""A store that opens: forecast before it has sold anything, and it is said by what."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.forecasting.core.participant import simulate
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from neural.forecasting.models import ActiveModel, Forecast, ModelVersion
from neural.forecasting.outlook import next_days
from neural.models import Store, TaskRun
from neural.tasks import make_forecasts
from tests.unit.forecasting import learning_world as learning
from tests.unit.forecasting.chains import SMALL, chain

pytestmark = pytest.mark.django_db
NOW = timezone.now()


@pytest.fixture
def new_store():
    return Store.objects.create(code="NEW", confirmed=True)


@pytest.fixture
def version():
    server_state = simulate(kind=DEMAND_FORECAST, config=SMALL, stores=chain(4)).server_state
    version = ModelVersion.objects.add(
        model_type="demand_forecast", content=server_state, schema_hash=DEMAND_FORECAST.schema_hash
    )
    ActiveModel.objects.publish(version, instead_of=None)
    return version


def forecast(store):
    model = next_days.model_in_force("demand_forecast")
    return next_days.forecast_store(store, model=model, now=NOW)


def test_it_gets_the_chains_model_at_the_usual_levels_and_says_so(new_store, version):
    assert forecast(new_store) == 2

    rows = Forecast.objects.filter(store=new_store).order_by("dish")
    assert {(row.dish, row.method, row.version_id) for row in rows} == {
        ("dish 0", "global", version.pk),
        ("dish 1", "global", version.pk),
    }
    assert rows[0].made_on == new_store.business_day(NOW) - dt.timedelta(days=1)
    assert all(0 < value < 100 for value in rows[0].p50)


def test_without_a_model_nothing_is_said_of_it(new_store):
    with pytest.raises(NotEnoughHistory, match="has sold nothing"):
        forecast(new_store)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"confirmed": False}, False),
        ({"created_at": NOW - dt.timedelta(days=90)}, False),
    ],
)
def test_the_night_forecasts_a_store_that_is_about_to_open(new_store, changes, asked):
    Store.objects.filter(pk="NEW").update(**changes)

    next_days.make_forecasts(store_id=None, stores=None, name="demand_forecast", now=NOW)

    runs = TaskRun.objects.filter(task=make_forecasts.name)
    assert [run.kwargs["stores"] for run in runs] == ([["NEW"]] if asked else [])


def test_as_of_an_earlier_day_a_store_that_sold_only_later_is_not_forecast():
    """As a shop beside a chain whose sales ended years ago."""
    learning.sold_until(Store.objects.create(code="OLD"), dt.date(2019, 4, 30))
    learning.sold_until(Store.objects.create(code="NEW", confirmed=True), NOW.date(), days=1)

    next_days.make_forecasts(
        store_id=None,
        stores=None,
        name="demand_forecast",
        now=NOW,
        as_of=dt.date(2019, 5, 1),
    )

    assert TaskRun.objects.get(task=make_forecasts.name).kwargs["stores"] == ["OLD"]
