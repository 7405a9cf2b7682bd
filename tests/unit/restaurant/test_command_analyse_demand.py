"""`manage.py analyse_demand`: asks for the analysis, or does it."""

import pytest
from django.core.management import CommandError, call_command

from neural.models import TaskRun
from neural.restaurant.models import DemandSummary
from tests.unit.factories import make_store
from tests.unit.restaurant.demand import sell

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def command(capsys):
    """Run the command; what it says."""
    for code in ("S01", "S02"):
        sell(make_store(code), {0: 10, 7: 15})

    def command(*arguments: str) -> str:
        call_command("analyse_demand", *arguments)
        return capsys.readouterr().out

    return command


def test_it_asks_for_a_run_for_each_store(command):
    assert command() == "2 runs are asked for on low_priority.\n"

    runs = TaskRun.objects.order_by("store")
    assert list(runs.values_list("store", "requested_by")) == [
        ("S01", "analyse_demand"),
        ("S02", "analyse_demand"),
    ]
    assert not DemandSummary.objects.exists()


def test_while_they_wait_it_asks_for_no_more(command):
    command()
    command()

    assert TaskRun.objects.count() == 2


def test_it_takes_stores_and_a_day(command):
    assert command("--store", "S02", "--since", "2026-03-11").startswith("1 run is")

    assert TaskRun.objects.get().kwargs == {"store_id": "S02", "since": "2026-03-11"}


def test_with_now_it_works_here(command):
    said = command("--now")

    assert said == "2 stores analysed: 8 summaries written, 0 deleted.\n"
    assert DemandSummary.objects.count() == 8
    assert not TaskRun.objects.exists()
    assert "0 summaries written" in command("--now")


def test_with_now_and_since_only_later_weeks_are_done(command):
    command("--now", "--store", "S01", "--since", "2026-03-09")

    assert DemandSummary.objects.count() == 2


def test_a_store_that_does_not_exist_is_wrong_usage(command):
    with pytest.raises(CommandError, match="no store 'S99'") as refusal:
        command("--store", "S99")

    assert refusal.value.returncode == 2


def test_a_day_that_is_none_is_wrong_usage(command):
    with pytest.raises(CommandError, match="is no time"):
        command("--since", "soon")
