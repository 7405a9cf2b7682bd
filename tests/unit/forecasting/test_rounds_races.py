"""What happens to a round when stores and coordinators come in an unlucky order."""

import datetime as dt
import time

import pytest
from django.utils import timezone

from neural.forecasting.models import Forecast, GroupSum, RoundState, TrainingPlan, UpdateState
from neural.forecasting.rounds import advancing, answering
from neural.forecasting.rounds.advancing import advance
from neural.forecasting.rounds.closing import cancel_round
from neural.forecasting.rounds.exchange import exchange_of
from neural.forecasting.rounds.receiving import leave_out, receive_sum
from neural.tasks import answer_training_exchange, run_federated_round
from neural.worker.in_process import run_due
from tests.unit.forecasting.rounds import NAME, chain_of, finished, fresh, opened, parts

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

FIVE = ("S1", "S2", "S3", "S4", "S5")
LATE_SUM = {"base": 0.0, "total": 1, "count": 1}


@pytest.fixture
def chain():
    with chain_of(*FIVE) as made:
        yield made


def in_exchange(number):
    """A round in which so many exchanges but one are over."""
    training = opened()
    while fresh(training).exchange < number:
        _answer_all(training)
    return fresh(training)


def _answer_all(training):
    number = fresh(training).exchange
    for store in FIVE:
        answer_training_exchange(round_id=training.pk, exchange=number, stores=[store])


@pytest.mark.parametrize("where", ["stores", "coordinator"])
def test_the_next_exchange_is_no_shorter_for_the_work_of_the_one_before(chain, monkeypatch, where):
    training = opened()
    passed = [0.0]
    real = time.monotonic

    def slow(question, answer):
        passed[0] += 30.0 if where == "stores" else 0.0
        return answer

    def go_on(*given):
        passed[0] += 30.0 if where == "coordinator" else 0.0
        return of_program(*given)

    of_program = chain.program.go_on
    monkeypatch.setattr(chain.program, "go_on", go_on, raising=False)
    for module in (answering, advancing):
        monkeypatch.setattr(module.time, "monotonic", lambda: real() + passed[0])
    chain.tamper["S5"] = slow
    began = timezone.now()

    _answer_all(training)

    found = fresh(training)
    assert found.exchange == 2
    assert found.exchange_opened_at - began >= dt.timedelta(seconds=30)


def test_stores_of_a_sum_that_cannot_be_used_any_more_answer_again(chain):
    """S2, asked again by itself, fails after its group has handed in a sum with it."""
    training = in_exchange(3)
    asked = exchange_of(training)
    receive_sum(asked, ["S1", "S2", "S3"], LATE_SUM, seconds=0.0)
    leave_out(asked, "S2", UpdateState.FAILED, "error")

    for store in ("S1", "S3", "S4", "S5"):
        answer_training_exchange(round_id=training.pk, exchange=3, stores=[store])
    run_due()

    assert fresh(training).state == RoundState.PUBLISHED
    assert parts() == dict.fromkeys(FIVE, ("accepted", "")) | {"S2": ("failed", "error")}


def test_a_sum_that_comes_in_after_its_round_has_closed_is_not_kept_for_good(chain):
    training = in_exchange(3)
    asked = exchange_of(training)
    cancel_round(training, now=timezone.now())
    receive_sum(asked, ["S1"], LATE_SUM, seconds=0.0)
    advance(round_id=training.pk, now=timezone.now())

    finished()

    assert not GroupSum.objects.exists()


def test_forecasts_are_made_though_the_plan_is_switched_off(chain):
    finished()
    Forecast.objects.all().delete()
    TrainingPlan.objects.update(enabled=False)

    run_federated_round.delay(NAME)
    run_due()

    assert set(Forecast.objects.values_list("store", flat=True)) == set(FIVE)
    assert {each.version.number for each in Forecast.objects.select_related("version")} == {1}
