"""A round from its first question to the version in force, and what may go wrong on the way."""

import datetime as dt
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.forecasting.core.protocol import AnswerRefused
from neural.forecasting.models import (
    ActiveModel,
    GroupSum,
    ModelVersion,
    RoundState,
    StoreUpdate,
    TrainingPlan,
    TrainingRound,
)
from neural.forecasting.rounds import answering
from neural.forecasting.rounds.advancing import advance
from neural.forecasting.rounds.closing import cancel_round
from neural.forecasting.rounds.exchange import exchange_of
from neural.forecasting.rounds.gathering import disjoint
from neural.forecasting.rounds.opening import PlanMissing, open_round
from neural.forecasting.rounds.receiving import receive_all
from neural.models import RunState, TaskRun
from neural.tasks import answer_training_exchange, run_federated_round
from neural.worker.in_process import run_due
from tests.unit.factories import make_store
from tests.unit.forecasting import rounds
from tests.unit.forecasting.rounds import (
    NAME,
    answer_runs,
    chain_of,
    finished,
    fresh,
    killed_at,
    opened,
    outcome,
    part,
    parts,
    run_to_the_end,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

FIVE = ("S1", "S2", "S3", "S4", "S5")
USED = ("accepted", "")


@pytest.fixture
def chain():
    with chain_of(*FIVE) as made:
        yield made


def later(**span: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(**span)


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
        ("collecting", "aggregating", 1),
        ("aggregating", "collecting", 2),
        ("collecting", "aggregating", 2),
        ("aggregating", "collecting", 3),
        ("collecting", "evaluating", 4),  # sums come by the hundred
        ("evaluating", "published", 4),
    ]
    assert all(each.at for each in training.transitions.all())


def test_stores_answer_in_groups_and_their_rows_are_read_once(chain):
    opened()

    run = answer_runs()[0]
    assert (run.queue, run.priority) == ("low_priority", 1)
    assert [each.kwargs["stores"] for each in answer_runs()] == [["S1"], ["S2", "S3"], ["S4", "S5"]]
    with CaptureQueriesContext(connection) as queries:
        run_due(now=timezone.now())
    read = [each["sql"] for each in queries if "neural_salesreport" in each["sql"]]
    assert len(read) == len(FIVE)


def test_what_stores_sent_is_kept_until_it_is_used(chain):
    finished()

    assert not StoreUpdate.objects.exclude(payload=None).exists()
    assert not GroupSum.objects.exists()
    assert part("S1").bytes_sent > 100


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
    assert len(answer_runs()) == 3


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
    "claims 1e12 examples": (with_values(examples=10**12), "rejected", "too_many_examples"),
    "claims infinite examples": (with_values(examples=float("inf")), "rejected", "not_finite"),
    "claims negative examples": (with_values(examples=-5), "rejected", "too_many_examples"),
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


def test_examples_beyond_the_plans_count_are_capped(chain):
    TrainingPlan.objects.update(max_examples=40)
    chain.tamper["S5"] = with_values(examples=10**8)

    finished()

    assert part("S5").examples == 40
    assert ActiveModel.objects.version_of(NAME).load()["mean"] == pytest.approx(30.0)


def test_an_error_is_recorded_without_its_message_wherever_it_goes(
    chain, capsys, django_capture_on_commit_callbacks
):
    chain.tamper["S2"] = boom

    with django_capture_on_commit_callbacks(execute=True):
        finished()

    assert part("S2").detail == "RuntimeError"
    kept = json.dumps(list(TaskRun.objects.values("result", "error", "args", "kwargs")))
    told = capsys.readouterr().err
    assert "event=store_failed" in told
    assert "4711" not in kept + told


def test_a_store_that_fails_in_a_group_takes_no_other_with_it(chain):
    def fails_in_the_sum(question, answer):
        if question.kind == "sum":
            raise ZeroDivisionError
        return answer

    chain.tamper["S3"] = fails_in_the_sum

    training = finished()

    assert training.state == RoundState.PUBLISHED
    assert parts() == dict.fromkeys(FIVE, USED) | {"S3": ("failed", "error")}
    assert ActiveModel.objects.version_of(NAME).load()["total"] == 40 * 120


def test_a_store_that_a_group_leaves_out_is_named(chain):
    def refuses_in_the_sum(question, answer):
        if question.kind == "sum":
            raise AnswerRefused("outlier", "4 times the median")
        return answer

    chain.tamper["S3"] = refuses_in_the_sum

    finished()

    assert parts()["S3"] == ("left_out", "outlier")
    assert part("S3").detail == "4 times the median"
    assert ActiveModel.objects.version_of(NAME).load()["total"] == 40 * 120


def test_a_group_whose_sum_is_refused_is_taken_apart(chain):
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
        if question.kind == "sum" and answer["total"] in (40 * 30, 40 * 120):
            raise AnswerRefused("not_finite")

    return checked


# Who is late


def hang(*stores: str, at: int = 1):
    """These stores' runs were claimed and never come back: nobody answers for them."""
    for run in answer_runs(RunState.PENDING):
        if run.kwargs["exchange"] == at and set(run.kwargs["stores"]) & set(stores):
            run.cancel()


def test_a_store_that_hangs_past_the_deadline_is_late_and_the_round_goes_on(chain):
    training = opened()
    hang("S1")
    run_due()
    assert fresh(training).exchange == 1

    advance(round_id=training.pk, now=later(seconds=121))
    run_due()

    assert fresh(training).state == RoundState.PUBLISHED
    assert parts() == dict.fromkeys(FIVE, USED) | {"S1": ("late", "no_answer")}
    assert ActiveModel.objects.version_of(NAME).load()["mean"] == pytest.approx(35.0)


def test_at_half_time_the_missing_stores_are_asked_again_each_by_itself_and_once(chain):
    training = opened()
    hang("S2", "S3")
    run_due()

    began = fresh(training).exchange_opened_at
    advance(round_id=training.pk, now=began + dt.timedelta(seconds=59))
    assert answer_runs(RunState.PENDING) == []
    for _ in range(2):
        advance(round_id=training.pk, now=began + dt.timedelta(seconds=61))

    asked = answer_runs(RunState.PENDING)
    assert [each.kwargs["stores"] for each in asked] == [["S2"], ["S3"]]
    assert [each.store_id for each in asked] == ["S2", "S3"]
    run_due()
    assert parts() == dict.fromkeys(FIVE, USED)
    assert fresh(training).state == RoundState.PUBLISHED


def test_an_answer_after_the_exchange_has_closed_is_late_and_changes_nothing(chain):
    training = opened()
    asked = exchange_of(training)
    hang("S1")
    run_due()
    advance(round_id=training.pk, now=later(seconds=121))
    answer = {"base": 0.0, "examples": 40, "mean": 99.0, "update_norm": 10.0}

    receive_all(asked, {"S1": (answer, 0.0)}, now=later(seconds=122))

    run_due()
    assert parts()["S1"] == ("late", "no_answer")
    assert ActiveModel.objects.version_of(NAME).load()["mean"] == pytest.approx(35.0)


def test_a_redelivered_answer_is_a_duplicate_and_changes_nothing(chain):
    asked = exchange_of(opened())
    answer = {"base": 0.0, "examples": 40, "mean": 10.0, "update_norm": 10.0}

    receive_all(asked, {"S1": (answer, 0.0)}, now=timezone.now())
    receive_all(asked, {"S1": (answer | {"mean": 99.0}, 0.0)}, now=timezone.now())
    receive_all(asked, {"S9": (answer, 0.0)}, now=timezone.now())  # not invited

    run_due()
    assert parts() == dict.fromkeys(FIVE, USED)
    assert ActiveModel.objects.version_of(NAME).load()["mean"] == pytest.approx(30.0)


def test_a_store_that_answers_for_a_group_that_has_answered_is_not_counted_twice(
    chain, monkeypatch
):
    """Asked again at half time, S2 answers by itself while its group is still adding up."""
    training = opened()
    real = answering._hand_in

    def slow(asked, parts, now):
        if asked.number == 3 and parts.sums and len(parts.sums[0][0]) > 1 and not done:
            done.append(True)
            answer_training_exchange(round_id=training.pk, exchange=3, stores=["S2"])
        return real(asked, parts, now)

    done: list[bool] = []
    monkeypatch.setattr(answering, "_hand_in", slow)
    run_due()

    assert done
    assert ActiveModel.objects.version_of(NAME).load()["total"] == 40 * 150


def test_the_round_itself_has_a_deadline(chain):
    training = opened()
    hang(*FIVE)

    advance(round_id=training.pk, now=later(seconds=3601))

    assert (fresh(training).state, fresh(training).reason) == ("failed_error", "deadline")


def test_a_round_of_an_app_that_is_no_longer_installed_ends_at_its_deadline():
    with chain_of(*FIVE):
        training = opened()

    advance(round_id=training.pk, now=later(seconds=3601))

    assert fresh(training).reason == "deadline"


def test_a_round_that_has_asked_nothing_yet_is_left_alone(chain):
    training = opened()
    TrainingRound.objects.update(state=RoundState.SELECTING, question=None)

    advance(round_id=training.pk, now=later(seconds=121))

    assert fresh(training).state == RoundState.SELECTING


def test_a_round_whose_own_run_is_gone_does_not_stand_in_the_way_of_the_next(chain):
    first = opened(timezone.now() - dt.timedelta(hours=2))
    TaskRun.objects.all().delete()

    second = opened()

    assert fresh(first).reason == "deadline"
    assert second != first


def a_sum(*stores: str) -> GroupSum:
    return GroupSum(first_store=stores[0], store_count=len(stores), stores=list(stores))


@pytest.mark.parametrize(
    ("sums", "used"),
    [
        ([("a", "b"), ("c",)], ["a", "c"]),
        ([("a",), ("a", "b")], ["a"]),  # the group, not the one that was asked again
        ([("b",), ("c",), ("a", "b")], ["a", "c"]),
        ([("a", "x")], []),  # x has been left out: nobody knows the sum of the others
        ([("b", "c"), ("a", "b")], ["a"]),
    ],
)
def test_no_store_is_in_two_sums_that_are_used(sums, used):
    found = disjoint([a_sum(*each) for each in sums], frozenset("abc"))

    assert [each.first_store for each in found] == used
    assert len(found) < 1 or len(found[0].stores) == max(map(len, sums))


# Quorum


def test_with_too_few_good_answers_the_round_fails_and_the_old_version_stays(chain):
    finished()
    for store in ("S1", "S2", "S3"):
        chain.tamper[store] = boom

    training = finished()

    assert (training.state, training.reason) == (RoundState.FAILED_QUORUM, "quorum")
    assert ActiveModel.objects.version_of(NAME).number == 1
    assert ModelVersion.objects.count() == 1


def test_it_fails_as_soon_as_the_quorum_is_out_of_reach(chain):
    for store in ("S1", "S2", "S3"):
        chain.tamper[store] = boom
    training = opened()
    hang("S4")

    run_due()

    assert fresh(training).state == RoundState.FAILED_QUORUM


def test_too_few_stores_with_history_fail_the_round_at_once():
    with chain_of("S1"):
        training = opened()

    assert (training.state, training.reason) == (RoundState.FAILED_QUORUM, "no_stores")
    assert answer_runs() == []


def test_too_few_at_the_deadline_fail_the_round(chain):
    training = opened()
    hang("S2", "S4")
    run_due()

    advance(round_id=training.pk, now=later(seconds=121))

    assert fresh(training).state == RoundState.FAILED_QUORUM


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
        assert writes() > 80
        for statement in range(1, writes() + 1, 8):  # each of them once: half a minute
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


def test_every_run_delivered_twice_comes_out_the_same(chain):
    expected = clean()
    training = opened()

    while pending := answer_runs(RunState.PENDING):
        for run in pending:
            answer_training_exchange(**run.kwargs)
            answer_training_exchange(**run.kwargs)
            TaskRun.objects.filter(pk=run.pk).update(
                state=RunState.SUCCEEDED, finished_at=timezone.now()
            )

    assert outcome(training) == expected


def test_two_coordinators_at_once_come_out_the_same(chain, monkeypatch):
    expected = clean()
    training = opened()
    real = chain.program.go_on
    inside: list[int] = []

    def beside(config, server_state, question, answers):
        """While one adds up, another one does all of it."""
        if question.number not in inside:
            inside.append(question.number)
            advance(round_id=training.pk, now=timezone.now())
        return real(config, server_state, question, answers)

    monkeypatch.setattr(chain.program, "go_on", beside, raising=False)
    run_due()

    assert inside == [1, 2, 3, 4]
    assert outcome(training) == expected
    assert ModelVersion.objects.count() == 1
    asked = [each.kwargs["exchange"] for each in answer_runs()]
    assert asked == [1, 1, 1, 2, 2, 2, 3, 3, 4, 4, 4]  # none twice


def test_a_run_that_was_tried_before_takes_its_stores_apart(chain):
    opened()
    TaskRun.objects.filter(pk=answer_runs()[1].pk).update(losses=1)

    run_due()

    single = [each.kwargs["stores"] for each in answer_runs() if each.store_id in ("S2", "S3")]
    assert single == [["S2"], ["S3"]]
    assert parts() == dict.fromkeys(FIVE, USED)


def test_a_run_works_for_so_long_and_leaves_the_rest_to_a_further_one(chain, monkeypatch):
    monkeypatch.setattr(answering, "SLICE_SECONDS", -1)

    training = finished()

    assert training.state == RoundState.PUBLISHED
    assert len(answer_runs()) == 4 * 5
    assert outcome(training)["parts"] == [(code, *USED, 4, None) for code in FIVE]


def test_a_coordinator_that_was_killed_while_adding_up_is_taken_over(chain):
    training = opened()
    answer = {"base": 0.0, "examples": 40, "mean": 10.0, "update_norm": 10.0}
    answers = dict.fromkeys(FIVE, (answer, 0.0))
    assert receive_all(exchange_of(training), answers, now=timezone.now()) == 0
    fresh(training).begin_aggregating()

    advance(round_id=training.pk, now=timezone.now(), take_over=False)
    assert fresh(training).state == RoundState.AGGREGATING
    advance(round_id=training.pk, now=timezone.now())

    assert fresh(training).exchange == 2


# Ended by people


def test_a_person_cancels_a_round_and_its_answers_come_late(chain):
    training = opened()

    assert cancel_round(training, now=timezone.now())
    assert not cancel_round(fresh(training), now=timezone.now())
    run_due()

    assert (fresh(training).state, fresh(training).reason) == ("cancelled", "by_a_person")
    assert {each.result["late"] for each in answer_runs()} == {True}
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
    chain, capsys, django_capture_on_commit_callbacks
):
    chain.tamper["S2"] = boom

    with django_capture_on_commit_callbacks(execute=True):
        training = finished()

    told = capsys.readouterr().err
    assert f"event=store_failed round={training.pk} store=S2 exchange=1 reason=error" in told
    assert f"event=round_selecting round={training.pk} model_type={NAME} exchange=0" in told
    assert f"event=round_published round={training.pk} model_type={NAME} exchange=4" in told
    assert "event=version_published" in told
