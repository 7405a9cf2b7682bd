"""Where sales come from is told by an installed app; training and forecasts know the interface."""

import datetime as dt
import sys

import pytest
from django.db.models import Exists, OuterRef

from neural.forecasting import sources
from neural.forecasting.checks import check_demand_source, check_training_plans
from neural.forecasting.models import Forecast, TrainingPlan
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.outlook.next_days import make_forecasts
from neural.forecasting.outlook.review import outlook
from neural.forecasting.sources import (
    DemandSourceAlreadyRegistered,
    NoDemandSource,
    demand_source,
    register_demand_source,
)
from neural.models import Store
from neural.restaurant.models import DailyDemand
from tests.unit.factories import make_store
from tests.unit.restaurant.demand import LATER, day


class Ledgerbook:
    """A source without a table: each store sold ten portions of rice on each day."""

    def sales(self, store, *, first, until):
        days = (until - first).days
        return [(first + dt.timedelta(days=each), "rice", "Rice", 10.0) for each in range(days)]

    def reports(self, store, *, first, until):
        return []

    def selling_stores(self, *, first, last, least_days=1):
        return Store.objects.values("pk")

    def ever_sold(self):
        return Exists(Store.objects.filter(pk=OuterRef("pk")))

    def last_day_of(self, store):
        return day(59)

    def last_days(self):
        return [day(59)]


@pytest.fixture
def unregistered(monkeypatch):
    """No source yet, and nobody has looked for one."""
    demand_source()  # what is put back afterwards
    monkeypatch.setattr(sources, "_registered", [])
    sources._discover.cache_clear()
    for module in ("neural.neural_demand", "neural.restaurant.neural_demand"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    yield
    sources._discover.cache_clear()


def test_the_source_of_an_installed_app_is_found_when_sales_are_first_asked_for(unregistered):
    assert type(demand_source()).__name__ == "DailySales"
    assert demand_source() is demand_source()


@pytest.fixture
def no_app_has_sales(unregistered, monkeypatch):
    monkeypatch.setattr(sources, "MODULE", "neural_nothing")


@pytest.mark.usefixtures("no_app_has_sales")
def test_without_a_source_the_error_says_what_an_app_has_to_do():
    with pytest.raises(NoDemandSource, match="neural_nothing that calls register_demand_source"):
        demand_source()
    assert check_demand_source() == []


@pytest.mark.django_db
@pytest.mark.usefixtures("no_app_has_sales")
def test_a_plan_without_a_source_is_warned_of_and_one_that_is_switched_off_is_not():
    TrainingPlan.objects.all().delete()
    assert check_training_plans(databases=["default"]) == []
    plan = TrainingPlan.objects.create(model_type=DEFAULT_MODEL_TYPE)

    (warning,) = check_training_plans(databases=["default"])

    assert warning.id == "neural.W004"
    assert "nothing is trained or forecast" in warning.hint
    assert check_training_plans() == []  # `manage.py check` asks no database
    TrainingPlan.objects.filter(pk=plan.pk).update(enabled=False)
    assert check_training_plans(databases=["default"]) == []


def test_two_sources_are_refused_by_the_names_of_both():
    demand_source()

    with pytest.raises(DemandSourceAlreadyRegistered) as refused:
        register_demand_source(Ledgerbook())

    assert "DailySales" in str(refused.value)
    assert "Ledgerbook of tests.unit.restaurant.test_demand_sources" in str(refused.value)


def test_the_check_tells_of_two_sources(unregistered):
    register_demand_source(Ledgerbook())

    (error,) = check_demand_source()

    assert error.id == "neural.E006"
    assert "DailySales" in error.msg


@pytest.mark.django_db
@pytest.mark.usefixtures("no_app_has_sales")
def test_forecasts_and_their_page_are_made_of_whatever_the_source_says():
    register_demand_source(Ledgerbook())
    store = make_store("S01")
    assert outlook(store=store, today=day(60)).days[-1].day == day(59)

    make_forecasts(store_id="S01", stores=None, name=DEFAULT_MODEL_TYPE, now=LATER, as_of=day(60))

    assert not DailyDemand.objects.exists()
    (forecast,) = Forecast.objects.all()
    assert (forecast.dish, forecast.made_on) == ("rice", day(59))
    assert forecast.mean == pytest.approx([10.0] * 14)
    found = outlook(store=store, today=day(60))
    assert found.dishes == [("rice", "Rice")]
    assert [each.sold for each in found.days if each.day == day(58)] == [10.0]
