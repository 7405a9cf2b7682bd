"""`manage.py forecast`: makes forecasts here and now, and prints what to prepare."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from neural.forecasting.models import Forecast
from tests.unit.factories import make_store
from tests.unit.forecasting.rounds import NAME, chain_of, finished

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def command(capsys):
    """Run the command on the tests' tiny model type; what it says."""

    def command(*arguments):
        call_command("forecast", "--model-type", NAME, *arguments)
        return capsys.readouterr().out

    return command


@pytest.fixture
def chain():
    with chain_of("S1", "S2") as chain:
        yield chain


def test_without_a_model_it_forecasts_by_a_simple_rule_and_says_so(chain, command):
    said = command("--store", "S1")

    assert "no model" in said
    assert "mean of the last four same weekdays" in said
    assert Forecast.objects.filter(store="S1", version=None).count() == 1


def test_with_a_model_it_says_which_and_what_to_prepare(chain, command):
    finished()  # the chain's mean is 15
    said = command("--store", "S1", "--store", "S2")

    assert said.count("version 1") == 2
    rice = [line.split() for line in said.splitlines() if "Rice" in line]
    assert [line[:3] for line in rice] == [["Rice", "15", "15"]] * 2


def test_without_a_store_it_makes_those_of_all_that_have_sold_something(chain, command):
    make_store("S9")

    command()

    assert set(Forecast.objects.values_list("store", flat=True)) == {"S1", "S2"}


def test_days_are_printed_one_after_the_other_store_by_store(chain, command):
    said = command("--days", "3")

    heads = [line.split(",")[0] for line in said.splitlines() if not line.startswith(" ")]
    assert heads == ["S1"] * 3 + ["S2"] * 3


def test_json_has_an_object_a_dish_and_day(chain, command):
    rows = json.loads(command("--store", "S1", "--days", "14", "--json"))

    assert len(rows) == 14
    assert len({row["day"] for row in rows}) == 14
    assert set(rows[0]) == {
        "store", "dish", "name", "day", "p10", "p50", "p90", "mean",
        "method", "version", "made_after",
    }  # fmt: skip
    today = make_store("S1").business_day(timezone.now())
    assert rows[0]["day"] == today.isoformat()


def test_doing_it_again_writes_the_same_rows_anew(chain, command):
    command()
    command()

    assert Forecast.objects.count() == 2


def test_a_store_that_has_sold_nothing_is_named_and_the_others_are_made(chain, command, capsys):
    make_store("S9")

    call_command("forecast", "--model-type", NAME, "--store", "S9", "--store", "S1")

    told = capsys.readouterr()
    assert "S9: it has sold nothing lately" in told.err
    assert told.out.startswith("S1")


def test_when_nothing_can_be_forecast_it_ends_with_1(chain, command):
    make_store("S9")

    with pytest.raises(CommandError, match="Nothing could be forecast") as refusal:
        command("--store", "S9")

    assert refusal.value.returncode == 1


@pytest.mark.parametrize("arguments", [("--store", "S99"), ("--model-type", "nonsense")])
def test_what_does_not_exist_is_wrong_usage(chain, command, arguments):
    with pytest.raises(CommandError) as refusal:
        command(*arguments)

    assert refusal.value.returncode == 2


def test_no_more_days_are_printed_than_are_forecast(chain, command):
    with pytest.raises(CommandError, match="invalid choice: 15"):
        command("--days", "15")
