"""A round from its first question to the version in force, and what may go wrong on the way."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.forecasting.core.participant import simulate
from neural.forecasting.core.protocol import AnswerRefused, TrainingConfig
from neural.forecasting.demand_forecast import DEMAND_FORECAST
from neural.forecasting.models import (
    ActiveModel,
    ModelVersion,
    RoundState,
    TrainingPlan,
    TrainingRound,
)
from neural.forecasting.models.plan import DEFAULT_MODEL_TYPE
from neural.forecasting.rounds import training as training_module
from neural.forecasting.rounds.closing import cancel_round
from neural.forecasting.rounds.opening import PlanMissing, open_round
from neural.forecasting.rounds.training import steps
from neural.forecasting.sales import sales_of
from neural.kit.exact_json import exact_json
from neural.ledger.work import Snooze
from neural.models import RunState, Store, TaskRun
from neural.tasks import advance_training_round, answer_training_exchange, run_federated_round
from neural.worker.in_process import run_due
from tests.unit.factories import make_store
from tests.unit.forecasting import rounds
from tests.unit.forecasting.rounds import (
    NAME,
    chain_of,
    finished,
    fresh,
    killed_at,
    opened,
    outcome,
    part,
    parts,
    run_to_the_end,
    train_runs,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

FIVE = ("S1", "S2", "S3", "S4", "S5")
USED = ("accepted", "")


@pytest.fixture
def chain():
    with chain_of(*FIVE) as made:
        yield made


# The clean way


def test_a_round_ends_with_a_version_that_is_in_force(chain):
    training = finished()

    assert (training.state, training.reason) == (RoundState.PUBLISHED, "better")
    version = ActiveModel.objects.version_of(NAME)
    assert version.load() == {"base": 0.0, "mean": 30.0, "total": 40 * 150, "days": 200}
    assert (version.number, version.round, version.parent) == (1, training, None)
    assert version.metrics["totals"]["candidate"] == {"deviance": 35.0, "count": 35.0}
    assert version.schema_hash == "f" * 64
    assert parts() == dict.fromkeys(FIVE, USED)
    assert part("S2").examples == 40


def test_every_transition_is_kept_with_its_time(chain):
    training = finished()

    kept = training.transitions.values_list("from_state", "to_state", "exchange")
    assert list(kept) == [
        ("planned", "selecting", 0),
        ("selecting", "collecting", 1),
        ("collecting", "evaluating", 4),
        ("evaluating", "published", 4),
    ]
    assert all(each.at for each in training.transitions.all())


def test_one_run_trains_and_reads_each_stores_rows_once(chain):
    opened()

    [run] = train_runs()
    assert (run.queue, run.priority) == ("low_priority", 1)
    with CaptureQueriesContext(connection) as queries:
        run_due(now=timezone.now())
    read = [each["sql"] for each in queries if "neural_salesreport" in each["sql"]]
    assert len(read) == len(FIVE)


def test_the_next_round_starts_from_the_version_in_force(chain):
    finished()

    second = finished()

    assert second.base_version.number == 1
    version = ActiveModel.objects.version_of(NAME)
    assert (version.number, version.parent.number) == (2, 1)
    assert version.load()["base"] == 30.0


def test_a_second_request_joins_the_open_round(chain):
    first = opened()

    again = open_round(name=NAME, now=timezone.now())

    assert (again.round, again.is_new) == (first, False)
    assert TrainingRound.objects.count() == 1
    assert len(train_runs()) == 1


def test_stores_with_fewer_than_28_days_are_not_invited(chain):
    rounds.sold(make_store("S6"), {-ago: 5 for ago in range(1, 28)})
    rounds.sold(make_store("S7"), {-ago: 5 for ago in range(1, 29)})

    finished()

    assert list(parts()) == [*FIVE, "S7"]


def test_a_plan_may_name_its_participants(chain):
    TrainingPlan.objects.get(model_type=NAME).participants.set(["S1", "S2"])

    finished()

    assert list(parts()) == ["S1", "S2"]


def test_a_plan_that_is_switched_off_opens_nothing(chain):
    TrainingPlan.objects.update(enabled=False)

    assert open_round(name=NAME, now=timezone.now()).round is None
    assert not TrainingRound.objects.exists()


def test_without_a_plan_there_is_no_round(chain):
    TrainingPlan.objects.all().delete()

    with pytest.raises(PlanMissing):
        open_round(name=NAME, now=timezone.now())


# Stores that misbehave


def boom(question, answer):
    raise RuntimeError("row 17: secret 4711")


def with_values(**values):
    return lambda question, answer: answer | values


FAULTS = {
    "fails": (boom, "failed", "error"),
    "sends NaN": (with_values(mean=float("nan")), "rejected", "not_finite"),
    "sends a wrong shape": (with_values(mean=[1.0, 2.0]), "rejected", "wrong_shape"),
    "sends a wrong key": (with_values(rows=[1, 2, 3]), "rejected", "wrong_keys"),
    "has a wrong base": (with_values(base=99.0), "rejected", "wrong_version"),
    "has an enormous weight": (with_values(mean=1e30), "rejected", "norm"),
    "claims infinite examples": (with_values(examples=float("inf")), "rejected", "not_finite"),
    "is no JSON": (with_values(mean={1, 2}), "rejected", "not_json"),
    "sends text": (lambda question, answer: "hello", "rejected", "wrong_type"),
    "is far off": (with_values(mean=2e5), "left_out", "outlier"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_store_that_misbehaves_is_named_and_the_round_goes_on(chain, fault):
    tamper, state, reason = FAULTS[fault]
    chain.tamper["S2"] = tamper

    training = finished()

    assert training.state == RoundState.PUBLISHED
    assert parts() == dict.fromkeys(FIVE, USED) | {"S2": (state, reason)}
    mean = ActiveModel.objects.version_of(NAME).load()["mean"]
    assert mean == pytest.approx((10 + 30 + 40 + 50) / 4)


def test_examples_beyond_the_greatest_count_are_capped(chain):
    chain.tamper["S5"] = with_values(examples=10**8)
    training = opened()
    training.config["max_examples"] = 40
    TrainingRound.objects.update(config=training.config)

    run_due()

    assert part("S5").examples == 40
    assert ActiveModel.objects.version_of(NAME).load()["mean"] == pytest.approx(30.0)


def test_an_error_is_recorded_without_its_message_wherever_it_goes(
    chain, caplog, django_capture_on_commit_callbacks
):
    chain.tamper["S2"] = boom

    with django_capture_on_commit_callbacks(execute=True):
        finished()

    assert part("S2").detail == "RuntimeError"
    kept = json.dumps(list(TaskRun.objects.values("result", "error", "args", "kwargs")))
    told = caplog.text
    assert "event=store_failed" in told
    assert "4711" not in kept + told


def test_a_store_that_fails_in_a_sum_takes_no_other_with_it(chain):
    def fails_in_the_sum(question, answer):
        if question.kind == "sum":
            raise ZeroDivisionError
        return answer

    chain.tamper["S3"] = fails_in_the_sum

    training = finished()

    assert training.state == RoundState.PUBLISHED
    assert parts() == dict.fromkeys(FIVE, USED) | {"S3": ("failed", "error")}
    assert ActiveModel.objects.version_of(NAME).load()["total"] == 40 * 120


def test_a_store_that_a_sum_leaves_out_is_named(chain):
    def refuses_in_the_sum(question, answer):
        if question.kind == "sum":
            raise AnswerRefused("outlier", "4 times the median")
        return answer

    chain.tamper["S3"] = refuses_in_the_sum

    finished()

    assert parts()["S3"] == ("left_out", "outlier")
    assert part("S3").detail == "4 times the median"
    assert ActiveModel.objects.version_of(NAME).load()["total"] == 40 * 120


def test_a_sum_that_is_refused_is_taken_apart(chain):
    def spoils_the_sum(question, answer):
        return answer | {"base": 99.0} if question.kind == "sum" else answer

    chain.tamper["S3"] = spoils_the_sum
    chain.program.check = spoiled(chain.program.check)

    finished()

    assert parts() == dict.fromkeys(FIVE, USED) | {"S3": ("rejected", "not_finite")}


def spoiled(check):
    """A sum that holds S3's 30 portions a day is refused."""

    def checked(config, server_state, question, answer):
        check(config, server_state, question, answer)
        if question.kind == "sum" and answer["total"] in (40 * 30, 40 * 150):
            raise AnswerRefused("not_finite")

    return checked


# Deadlines


def end_its_time(training: TrainingRound) -> None:
    TrainingRound.objects.filter(pk=training.pk).update(closes_at=training.opened_at)


def test_a_round_has_a_deadline(chain):
    training = opened()
    end_its_time(training)

    run_due()

    assert (fresh(training).state, fresh(training).reason) == ("failed_error", "deadline")
    assert chain.asked == []


def test_the_deadline_is_looked_at_after_each_exchange(chain):
    training = opened()
    working = steps(fresh(training))
    beginning = next(working)
    beginning.closes_at -= dt.timedelta(hours=2)

    assert list(working) == []
    assert (fresh(training).reason, fresh(training).exchange) == ("deadline", 2)


def test_a_round_of_an_app_that_is_no_longer_installed_ends_with_its_run():
    with chain_of(*FIVE):
        training = opened()

    run_due()

    assert (fresh(training).state, fresh(training).reason) == ("failed_error", "run_ended")


def test_a_round_that_has_asked_nothing_yet_is_left_alone(chain):
    training = opened()
    TrainingRound.objects.update(state=RoundState.SELECTING, question=None)

    run_due()

    assert fresh(training).state == RoundState.SELECTING


def test_a_round_whose_own_run_is_gone_does_not_stand_in_the_way_of_the_next(chain):
    first = opened(timezone.now() - dt.timedelta(hours=2))
    TaskRun.objects.all().delete()

    second = opened()

    assert fresh(first).reason == "deadline"
    assert second != first


# Of the release before


@pytest.fixture
def of_the_release_before(chain):
    """A round as that release left it: its config has what is gone, and its runs answer."""
    training = opened()
    training.config |= {"strategy": "fedprox", "noise_multiplier": 0.0, "invited_stores": 5}
    TrainingRound.objects.filter(pk=training.pk).update(config=training.config)
    return training


def test_a_round_that_other_software_had_opened_is_ended_with_a_sentence(of_the_release_before):
    run_due()

    training = fresh(of_the_release_before)
    assert (training.state, training.reason) == ("failed_error", "other_software")
    assert "software of another version had opened it" in training.explanation


def test_the_schedule_begins_it_anew_though_no_run_of_it_is_left(of_the_release_before):
    TaskRun.objects.all().delete()

    run_federated_round.delay(NAME)
    run_due()

    assert fresh(of_the_release_before).reason == "other_software"
    assert TrainingRound.objects.latest("pk").state == "published"


def test_its_questions_that_are_left_over_change_nothing(of_the_release_before):
    before = outcome(of_the_release_before)

    kwargs = {"round_id": of_the_release_before.pk, "exchange": 1, "stores": ["S1"]}
    result = answer_training_exchange.delay(**kwargs)
    TaskRun.objects.exclude(task=answer_training_exchange.name).delete()
    run_due()

    assert result.get() == {"late": True}
    assert outcome(of_the_release_before) == before


# Quorum


def test_with_too_few_good_answers_the_round_fails_and_the_old_version_stays(chain):
    finished()
    for store in ("S1", "S2", "S3"):
        chain.tamper[store] = boom

    training = finished()

    assert (training.state, training.reason) == (RoundState.FAILED_QUORUM, "quorum")
    assert ActiveModel.objects.version_of(NAME).number == 1
    assert ModelVersion.objects.count() == 1


def test_a_round_that_fails_names_the_stores_for_which_it_did(chain):
    for store in ("S1", "S2", "S3"):
        chain.tamper[store] = boom

    training = finished()

    assert training.detail == "2 of 5; 3 are needed"
    failed = dict.fromkeys(("S1", "S2", "S3"), ("failed", "error"))
    assert parts() == dict.fromkeys(FIVE, USED) | failed


def test_too_few_stores_with_history_fail_the_round_at_once():
    with chain_of("S1"):
        training = opened()

    assert (training.state, training.reason) == (RoundState.FAILED_QUORUM, "no_stores")
    assert train_runs() == []


# Errors of the program


def test_an_error_of_the_program_fails_the_round_with_its_class(chain, monkeypatch):
    def broken(*given):
        raise KeyError("S1: 17 portions")

    monkeypatch.setattr(chain.program, "go_on", broken, raising=False)

    training = finished()

    assert (training.state, training.reason) == (RoundState.FAILED_ERROR, "program")
    assert training.detail == "KeyError"
    assert training.server_state == {}


def test_a_server_state_that_is_no_json_fails_the_round(chain, monkeypatch):
    real = chain.program.go_on

    def spoilt(*given):
        step = real(*given)
        return step._replace(server_state={**step.server_state, "mean": float("nan")})

    monkeypatch.setattr(chain.program, "go_on", spoilt, raising=False)

    training = finished()

    assert (training.state, training.detail) == (RoundState.FAILED_ERROR, "ValueError")


def test_an_arithmetic_that_has_too_few_answers_fails_the_quorum(chain, monkeypatch):
    def too_few(*given):
        raise AnswerRefused("too_few")

    monkeypatch.setattr(chain.program, "go_on", too_few, raising=False)

    assert finished().state == RoundState.FAILED_QUORUM


def test_a_version_that_somebody_changed_fails_the_next_round_and_says_so(chain):
    finished()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE neural_modelversion SET content = '{}'")

    training = opened()

    assert (training.reason, training.detail) == ("program", "VersionContentChanged")


# Killed, twice, by two


def clean() -> dict:
    """What comes of a round that nobody disturbs; nothing of it stays."""
    with undone():
        return outcome(finished())


@contextmanager
def undone() -> Iterator[None]:
    point = transaction.get_connection().savepoint()
    yield
    transaction.savepoint_rollback(point)


def test_killed_before_any_write_and_delivered_again_it_comes_out_the_same():
    """From the run that opens the round to the one that makes the forecasts."""
    with chain_of("S1", "S2", "S3"):
        expected = clean()
        run_federated_round.delay(NAME)
        with undone(), killed_at(0) as writes:
            assert run_to_the_end() == 0
        assert writes() > 40
        for statement in range(1, writes() + 1, 3):  # each of them once: half a minute
            with undone(), killed_at(statement):
                assert run_to_the_end() == 1
                assert outcome(TrainingRound.objects.get()) == expected, statement


def test_an_outcome_that_was_lost_opens_no_second_round_though_the_first_has_ended(chain):
    """It would train twice."""
    run_federated_round.delay(NAME)
    run_to_the_end()
    training = TrainingRound.objects.get()
    assert not training.is_open
    again = TaskRun.objects.filter(task=run_federated_round.name)
    again.update(state=RunState.PENDING, finished_at=None, losses=1)

    run_to_the_end()

    assert TrainingRound.objects.get() == training
    assert again.get().result == {"round": training.pk, "state": training.state, "new": False}

    again.get().retry()
    run_federated_round.delay(NAME)
    run_to_the_end()
    assert TrainingRound.objects.count() == 2


def test_a_run_delivered_again_after_the_end_changes_nothing(chain):
    training = finished()
    expected = outcome(training)

    ended = {"round": training.pk, "state": "published", "reason": "better"}
    assert advance_training_round(round_id=training.pk) == ended
    assert outcome(training) == expected


def test_two_runs_of_a_round_at_once_come_out_the_same(chain, monkeypatch):
    expected = clean()
    training = opened()
    real = chain.program.go_on
    inside: list[int] = []

    def beside(config, server_state, question, answers):
        """While one adds up, another one goes on to the end."""
        if not inside:
            inside.append(question.number)
            list(steps(fresh(training)))
        return real(config, server_state, question, answers)

    monkeypatch.setattr(chain.program, "go_on", beside, raising=False)
    run_due()

    assert outcome(training) == expected
    assert ModelVersion.objects.count() == 1


def test_a_run_gives_way_after_an_exchange_and_goes_on_from_there(chain, monkeypatch):
    expected = clean()
    training = opened()
    monkeypatch.setattr(training_module, "LONGEST_SLICE_SECONDS", -1.0)

    for number in (2, 3, 4):
        with pytest.raises(Snooze) as snoozed:
            advance_training_round(round_id=training.pk)
        assert snoozed.value.checkpoint == {"round": training.pk, "exchange": number}
    with pytest.raises(Snooze):
        advance_training_round(round_id=training.pk)

    assert [number for _, number in chain.asked[-20:]] == [n for n in (1, 2, 3, 4) for _ in FIVE]
    assert outcome(training) == expected


def test_a_round_through_the_database_is_the_one_in_memory():
    """The demand forecast of five stores: the same version as ``simulate`` makes, bit for bit."""
    TrainingPlan.objects.update_or_create(model_type=DEFAULT_MODEL_TYPE, defaults={"trees": 8})
    for number, code in enumerate(FIVE):
        dice = np.random.default_rng(number)
        rounds.sold(
            make_store(code), {-ago: int(dice.poisson(30)) for ago in range(1, 100)}, "rice"
        )
    training = open_round(name=DEFAULT_MODEL_TYPE, now=timezone.now()).round
    config = TrainingConfig(**training.config)
    sales = {
        store.pk: sales_of(store, today=store.business_day(training.opened_at), history_days=365)
        for store in Store.objects.all()
    }

    run_due()

    done = simulate(kind=DEMAND_FORECAST, config=config, stores=sales)
    assert fresh(training).exchange == done.exchanges
    assert ModelVersion.objects.get(round=training).content == exact_json(done.server_state)


# Ended by people


def test_a_person_cancels_a_round_and_its_run_ends(chain):
    training = opened()

    assert cancel_round(training, now=timezone.now())
    assert not cancel_round(fresh(training), now=timezone.now())
    run_due()

    assert (fresh(training).state, fresh(training).reason) == ("cancelled", "by_a_person")
    assert chain.asked == []
    assert not ModelVersion.objects.exists()


def test_cancelled_while_it_adds_up_it_stays_cancelled(chain, monkeypatch):
    training = opened()
    real = chain.program.go_on

    def meanwhile(*given):
        cancel_round(fresh(training), now=timezone.now())
        return real(*given)

    monkeypatch.setattr(chain.program, "go_on", meanwhile, raising=False)
    run_due()

    assert fresh(training).state == RoundState.CANCELLED
    assert not ModelVersion.objects.exists()


def test_the_log_says_what_became_of_the_round_and_of_its_stores(
    chain, caplog, django_capture_on_commit_callbacks
):
    chain.tamper["S2"] = boom
    caplog.set_level("INFO")

    with django_capture_on_commit_callbacks(execute=True):
        training = finished()

    told = caplog.text
    assert f"event=store_failed round={training.pk} store=S2 exchange=1 reason=error" in told
    assert f"event=round_selecting round={training.pk} model_type={NAME} exchange=0" in told
    assert f"event=round_published round={training.pk} model_type={NAME} exchange=4" in told
    assert "event=version_published" in told
