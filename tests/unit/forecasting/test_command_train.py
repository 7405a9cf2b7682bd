"""`manage.py train`: opens a round or joins the open one, waits, and says how it ended."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from neural.forecasting.management.commands import train as module
from neural.forecasting.models import Forecast, TrainingPlan, TrainingRound
from neural.ledger.record import enqueue
from neural.models import TaskRun
from tests.unit.factories import make_store
from tests.unit.forecasting.rounds import NAME, chain_of, opened

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def command(capsys):
    """Run the command on the tests' tiny model type; what it says."""

    def command(*arguments):
        call_command("train", "--model-type", NAME, *arguments)
        return capsys.readouterr().out

    return command


@pytest.fixture
def chain():
    with chain_of("S1", "S2", "S3") as chain:
        yield chain


def refused(command, *arguments):
    with pytest.raises(CommandError) as refusal:
        command(*arguments)
    return refusal.value


def test_with_now_it_trains_here_to_the_end_and_makes_the_forecasts(chain, command):
    said = command("--now")

    training = TrainingRound.objects.get()
    assert said.startswith(f"Round {training.pk} is opened: 3 stores are invited.\n")
    assert f"Round {training.pk}: published, version 1: better than" in said
    assert training.requested_by == "train"
    assert set(Forecast.objects.values_list("store", flat=True)) == {"S1", "S2", "S3"}


def test_as_of_a_day_it_trains_and_forecasts_as_on_that_morning(chain, command):
    day = timezone.now().date() - dt.timedelta(days=5)

    command("--now", "--as-of", day.isoformat())

    assert TrainingRound.objects.get().config["as_of"] == day.isoformat()
    assert {each.made_on for each in Forecast.objects.all()} == {day - dt.timedelta(days=1)}


def test_with_a_store_it_says_what_became_of_it(chain, command):
    chain.tamper["S2"] = lambda question, answer: answer | {"base": "another"}

    assert "\nS2: rejected: " in command("--now", "--store", "S2")
    assert "\nS1: its answer counted" in command("--now", "--store", "S1")


def test_of_a_store_that_was_not_invited_it_says_so(chain, command):
    make_store("S9")

    assert "S9: not invited, it has not enough history" in command("--now", "--store", "S9")


def test_a_round_that_is_no_better_ends_with_3_and_says_why(chain, command, capsys):
    chain.deviance["candidate"] = 9.0

    refusal = refused(command, "--now")

    assert (refusal.returncode, str(refusal)) == (3, "The version in force stays.")
    assert "rejected, version 1: no better than" in capsys.readouterr().out


def test_too_few_stores_end_with_3(command, capsys):
    with chain_of("S1"):
        refusal = refused(command, "--now")

    assert refusal.returncode == 3
    assert "too few stores have sold enough lately" in capsys.readouterr().out


def test_a_version_that_waits_for_a_person_is_a_good_end(chain, command):
    TrainingPlan.objects.filter(model_type=NAME).update(publishing="by_a_person")

    assert "it waits for a person to publish it" in command("--now")


def test_with_no_wait_the_round_is_opened_and_left(chain, command):
    said = command("--no-wait")

    assert said.endswith("3 stores are invited.\n")
    assert TrainingRound.objects.get().is_open
    assert TaskRun.objects.exists()


def test_an_open_round_is_joined(chain, command):
    training = opened()

    assert f"Round {training.pk} was open already" in command("--now")
    assert TrainingRound.objects.count() == 1


def test_other_runs_are_left_to_the_workers(chain, command):
    other = enqueue(
        task="neural.tasks.analyse_demand", args=[], kwargs={}, queue="default", priority=5
    )

    command("--now")

    assert TaskRun.objects.get(pk=other.pk).state == "pending"


def test_without_now_it_waits_for_workers_and_works_nothing(chain, command, monkeypatch, capsys):
    looks = []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(module.time, "sleep", look)

    with pytest.raises(SystemExit) as ended:
        command()

    assert ended.value.code == 130
    assert "The round goes on where workers run" in capsys.readouterr().err
    assert chain.asked == []
    assert TrainingRound.objects.get().is_open


def test_a_plan_that_is_switched_off_or_missing_ends_with_1(chain, command):
    TrainingPlan.objects.filter(model_type=NAME).update(enabled=False)
    switched_off = refused(command)
    TrainingPlan.objects.filter(model_type=NAME).delete()
    missing = refused(command)

    assert (switched_off.returncode, missing.returncode) == (1, 1)
    assert "switched off" in str(switched_off)
    assert "no training plan" in str(missing)


def test_a_store_that_does_not_exist_is_wrong_usage(chain, command):
    assert refused(command, "--store", "S99").returncode == 2
    assert not TrainingRound.objects.exists()
