"""The tasks around a round: its receipt, forecasts."""

import datetime as dt
from dataclasses import replace

import pytest
from django.utils import timezone

from neural.forecasting.core.model_types import ModelTypeUnknown, model_type, register_model_type
from neural.forecasting.models import (
    Forecast,
    StoreUpdate,
    TrainingPlan,
    TrainingRound,
)
from neural.forecasting.outlook import next_days
from neural.forecasting.rounds import opening
from neural.forecasting.rounds.closing import ask_for_forecasts, cancel_round
from neural.forecasting.rounds.progress import round_progress
from neural.kit.registry import AlreadyRegistered
from neural.models import RunState, Store, TaskAttempt, TaskRun
from neural.restaurant.models import DailyDemand
from neural.tasks import (
    make_forecasts,
    run_federated_round,
    train_federated_model,
)
from neural.worker.in_process import run_due
from tests.unit.factories import make_store
from tests.unit.forecasting.rounds import (
    NAME,
    chain_of,
    finished,
    fresh,
    opened,
    sold,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def chain():
    with chain_of("S1", "S2", "S3") as made:
        yield made


def later(**span: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(**span)


def run_of(task) -> TaskRun:
    return TaskRun.objects.filter(task=task.name).latest("pk")


# The nightly task


def test_the_nightly_task_opens_a_round_and_says_so(chain):
    run_federated_round.delay(NAME)

    run_due()

    run = run_of(run_federated_round)
    training = TrainingRound.objects.get()
    assert run.result == {"round": training.pk, "state": "collecting", "new": True}
    assert (run.queue, run.priority) == ("low_priority", 1)
    assert training.state == "published"


def test_while_one_is_open_it_opens_none(chain):
    training = opened()

    run_federated_round.delay(NAME)
    TaskRun.objects.exclude(task=run_federated_round.name).update(available_at=later(hours=1))
    run_due()

    result = run_of(run_federated_round).result
    assert result == {"round": training.pk, "state": "collecting", "new": False}


def test_a_plan_that_is_switched_off_is_no_error(chain):
    TrainingPlan.objects.update(enabled=False)

    run_federated_round.delay(NAME)
    run_due()

    assert run_of(run_federated_round).result == {"round": None, "reason": "switched_off"}


def test_a_model_type_that_nobody_knows_is_dead_at_once():
    run_federated_round.delay("nonsense")

    run_due()

    dead = TaskRun.objects.dead().get()
    assert dead.error.startswith("ModelTypeUnknown: model type 'nonsense' is not registered")


def test_a_name_is_registered_once(chain):
    with pytest.raises(AlreadyRegistered):
        register_model_type(replace(model_type(NAME)))
    with pytest.raises(ModelTypeUnknown, match=NAME):
        model_type("nonsense")


# The receipt


def test_a_store_that_asks_for_training_gets_its_receipt_when_the_round_has_closed(chain):
    train_federated_model.delay("S2", NAME)

    run_due()

    training = TrainingRound.objects.get()
    run = run_of(train_federated_model)
    assert run.state == RunState.SUCCEEDED
    assert run.result == {
        "round": training.pk,
        "state": "published",
        "reason": "better",
        "version": 1,
        "store": "S2",
        "outcome": "accepted",
        "store_reason": "",
    }
    assert (run.failures, TaskAttempt.objects.count()) == (0, 0)


def test_meanwhile_it_waits_without_a_worker_and_says_how_far_the_round_is(chain):
    train_federated_model.delay("S2", NAME)
    TaskRun.objects.filter(task=train_federated_model.name).update(priority=9)

    run_due(now=timezone.now())  # the round's own runs are not due yet

    run = run_of(train_federated_model)
    assert run.state == RunState.PENDING
    assert run.result["label"] == "collecting answers"
    assert (run.result["exchange"], run.result["about"], run.result["invited"]) == (1, 4, 3)
    assert 20 < (run.available_at - timezone.now()).total_seconds() <= opening.WAIT_SECONDS


def test_it_joins_the_round_that_is_open(chain):
    training = opened()

    train_federated_model.delay("S1", NAME)
    TaskRun.objects.filter(task=train_federated_model.name).update(priority=9)
    run_due()

    assert run_of(train_federated_model).result["round"] == training.pk
    assert TrainingRound.objects.count() == 1


def test_it_reports_on_the_round_that_it_waited_for_and_no_later_one(chain):
    train_federated_model.delay("S1", NAME)
    TaskRun.objects.filter(task=train_federated_model.name).update(priority=9)
    run_due(now=timezone.now())
    first = TrainingRound.objects.get()
    cancel_round(first, now=timezone.now())

    finished()

    assert run_of(train_federated_model).result["state"] == "cancelled"


def test_a_rejected_store_is_told_why(chain):
    chain.tamper["S2"] = lambda question, answer: answer | {"base": 7.0}

    train_federated_model.delay("S2", NAME)
    run_due()

    result = run_of(train_federated_model).result
    assert (result["outcome"], result["store_reason"]) == ("rejected", "wrong_version")


def test_a_store_without_history_is_told_that_it_was_not_invited(chain):
    make_store("S9")

    train_federated_model.delay("S9", NAME)
    run_due()

    result = run_of(train_federated_model).result
    assert (result["outcome"], result["store_reason"]) == ("not_invited", "no_history")


def test_without_a_store_the_receipt_is_the_rounds(chain):
    train_federated_model.apply_async(kwargs={"model_type": NAME})

    run_due()

    assert set(run_of(train_federated_model).result) == {"round", "state", "reason", "version"}


def test_a_store_that_does_not_exist_is_dead_at_once(chain):
    train_federated_model.delay("S99", NAME)

    run_due()

    assert TaskRun.objects.dead().get().error == "StoreUnknown: there is no store 'S99'"
    assert not TrainingRound.objects.exists()


def test_called_outside_of_a_run_it_does_not_wait(chain):
    assert train_federated_model("S1", NAME)["state"] == "collecting"


def test_who_asked_for_a_training_that_failed_is_not_told_of_a_success_and_may_ask_again(chain):
    def boom(question, answer):
        raise RuntimeError

    chain.tamper = dict.fromkeys(("S1", "S2", "S3"), boom)
    result = train_federated_model.delay("S2", NAME)
    run_due()

    training = TrainingRound.objects.get()
    assert training.state == "failed_quorum"
    assert result.state == "FAILURE"
    run = run_of(train_federated_model)
    told = f"TrainingFailed: round {training.pk} ended in failed_quorum: quorum"
    assert run.state == RunState.DEAD
    assert run.error.startswith(told)

    chain.tamper = {}
    run.retry()
    run_due()
    assert run_of(train_federated_model).result["state"] == "published"


def test_a_new_chain_whose_stores_have_not_sold_enough_gets_no_dead_run_every_night():
    with chain_of("S1"):
        run_federated_round.delay(NAME)
        run_due()

    run = run_of(run_federated_round)
    assert (run.state, run.result["state"]) == (RunState.SUCCEEDED, "failed_quorum")


# Progress


def test_progress_counts_exchanges_and_stores(chain):
    training = opened()

    found = round_progress(fresh(training))

    assert (found.exchange, found.about) == (1, 4)
    assert (found.taking_part, found.invited) == (3, 3)
    assert found.label == "collecting answers"


# Forecasts


def test_after_a_round_each_store_is_forecast_with_the_version_in_force(chain):
    finished()

    found = Forecast.objects.get(store="S2")
    assert (found.dish, found.name, found.method) == ("S2-rice", "Rice", "global")
    assert (found.mean, found.version.number) == ([20.0] * 14, 1)
    yesterday = found.store.business_day(timezone.now()) - dt.timedelta(days=1)
    assert (found.made_on, found.day(0)) == (yesterday, yesterday + dt.timedelta(days=1))
    assert Forecast.objects.count() == 3


def test_after_a_round_that_failed_they_are_forecast_as_well(chain):
    def boom(question, answer):
        raise RuntimeError

    chain.tamper = dict.fromkeys(("S1", "S2", "S3"), boom)

    assert finished().state == "failed_quorum"

    found = Forecast.objects.get(store="S1")
    assert (found.version, found.method, found.mean[0]) == (None, "weekday_mean", 1.0)


def test_forecasts_made_again_replace_those_of_the_same_day(chain):
    finished()
    Forecast.objects.update(mean=[0.0] * 14)

    make_forecasts.apply_async(kwargs={"store_id": "S1", "model_type": NAME})
    run_due()

    assert Forecast.objects.get(store="S1").mean == [20.0] * 14
    assert Forecast.objects.get(store="S2").mean == [0.0] * 14


def test_forecasts_made_again_after_a_correction_leave_no_dish_that_has_gone(chain):
    sold(Store.objects.get(pk="S1"), {-1: 5}, dish="a mistake")
    finished()
    assert Forecast.objects.filter(store="S1", dish="a mistake").exists()

    DailyDemand.objects.filter(dish="a mistake").delete()
    make_forecasts.delay(model_type=NAME)
    run_due()

    assert [each.dish for each in Forecast.objects.filter(store="S1")] == ["S1-rice"]
    assert Forecast.objects.exclude(store="S1").count() == 2


def test_a_store_that_cannot_be_forecast_harms_no_other(chain, monkeypatch):
    finished()
    Forecast.objects.all().delete()
    real = chain.forecast
    sold(make_store("S4"), {-1: 3}, dish="bad")
    make_store("S5")

    def fails(content, sales):
        if "bad" in sales.dishes:
            raise ZeroDivisionError("portions: 17")
        return real(content, sales)

    kind = model_type(NAME)
    object.__setattr__(kind, "forecast", fails)
    make_forecasts.apply_async(kwargs={"stores": ["S1", "S4", "S5", "S2"], "model_type": NAME})
    run_due()

    result = run_of(make_forecasts).result
    assert result == {"dishes": 2, "failed": {"S4": "ZeroDivisionError", "S5": "no_history"}}
    assert set(Forecast.objects.values_list("store", flat=True)) == {"S1", "S2"}


def test_a_run_of_forecasts_leaves_the_rest_to_a_further_one(chain, monkeypatch):
    monkeypatch.setattr(next_days, "SLICE_SECONDS", -1)
    finished()

    assert Forecast.objects.count() == 3
    results = TaskRun.objects.filter(task=make_forecasts.name).order_by("pk")
    assert [each.result for each in results] == [
        {"stores": 3},
        {"dishes": 1, "rest": 2},
        {"dishes": 1, "rest": 1},
        {"dishes": 1},
    ]


def test_a_version_of_other_features_is_left_aside(chain):
    finished()
    kind = model_type(NAME)
    object.__setattr__(kind, "schema_hash", "e" * 64)

    make_forecasts.apply_async(kwargs={"store_id": "S1", "model_type": NAME})
    run_due()

    assert Forecast.objects.get(store="S1").version is None


def test_forecasts_are_made_though_the_plan_is_switched_off(chain):
    finished()
    Forecast.objects.all().delete()
    TrainingPlan.objects.update(enabled=False)

    run_federated_round.delay(NAME)
    run_due()

    assert set(Forecast.objects.values_list("store", flat=True)) == {"S1", "S2", "S3"}
    assert {each.version.number for each in Forecast.objects.select_related("version")} == {1}


# Who sees what


def test_users_see_the_parts_and_forecasts_of_their_own_stores(chain, django_user_model):
    finished()
    ada = django_user_model.objects.create(username="ada")
    ada.neural_stores.set(["S2"])

    for rows in (StoreUpdate.objects, Forecast.objects):
        assert [each.store_id for each in rows.all().for_user(ada)] == ["S2"]


def test_forecasts_as_on_another_day_do_not_stand_for_those_of_today(fake_broker):
    name = "demand_forecast"
    for as_of in ["", "2026-03-02", "2026-03-02"]:
        ask_for_forecasts(name=name, as_of=as_of, requested_by="test")

    asked = TaskRun.objects.filter(task=make_forecasts.name).order_by("pk")
    assert [run.kwargs for run in asked] == [
        {"model_type": name},
        {"model_type": name, "as_of": "2026-03-02"},
    ]
