"""A round may train, and forecasts be made, as on the morning of a day long ago."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.forecasting.models import Forecast, TrainingRound
from neural.forecasting.rounds.opening import open_round
from neural.restaurant.models import DailyDemand
from neural.worker.in_process import run_due
from tests.unit.forecasting.rounds import NAME, chain_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_broker")]

YEARS = dt.timedelta(days=7 * 365)


def train(**options):
    """A round from its opening to its forecasts."""
    opened = open_round(name=NAME, now=timezone.now(), **options).round
    run_due()
    return TrainingRound.objects.get(pk=opened.pk)


@pytest.fixture
def long_ago():
    """Two stores that sold for forty days, seven years ago; the morning after."""
    with chain_of("S1", "S2"):
        newest = max(DailyDemand.objects.values_list("day", flat=True))
        for row in DailyDemand.objects.all():
            DailyDemand.objects.filter(pk=row.pk).update(day=row.day - YEARS)
        yield newest - YEARS + dt.timedelta(days=1)


def test_sales_that_ended_long_ago_are_too_old_for_a_round_of_today(long_ago):
    assert train().reason == "no_stores"


def test_as_of_the_morning_after_they_are_trained_on(long_ago):
    training = train(as_of=long_ago)

    assert (training.state, training.invited) == ("published", 2)
    assert training.config["as_of"] == long_ago.isoformat()


def test_its_forecasts_are_for_the_days_after(long_ago):
    train(as_of=long_ago)

    made = {(row.store_id, row.made_on) for row in Forecast.objects.all()}
    assert made == {(store, long_ago - dt.timedelta(days=1)) for store in ("S1", "S2")}


def test_what_was_sold_from_that_day_on_is_not_known(long_ago):
    assert train(as_of=long_ago - dt.timedelta(days=20)).reason == "no_stores"
    assert train(as_of=long_ago - dt.timedelta(days=2)).state == "published"
    assert Forecast.objects.filter(made_on=long_ago - dt.timedelta(days=3)).count() == 2
