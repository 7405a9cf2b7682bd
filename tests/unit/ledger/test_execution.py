"""Running what was claimed: effects and outcome together, failures for themselves."""

import asyncio
import datetime as dt
import os
import re
from functools import partial

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import IntegrityError, OperationalError, transaction

from neural.kit.errors import PermanentError
from neural.ledger import dialects, execute
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.dialects import ledger_dialect
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Work, current_run, default_retry
from neural.models import RunState, TaskAttempt, TaskRun
from tests.probe.models import Counter, Effect
from tests.unit.factories import ago, make_run

pytestmark = pytest.mark.django_db

BATCHABLE = "probe.count"


class Source:
    """Says what a run stands for: the function in `functions` under its task id."""

    def __init__(self, functions, *, atomic=True, retry=None):
        self.functions = functions
        self.atomic = atomic
        self.retry = retry

    def work_for(self, run):
        return Work(
            function=self.functions[run.task_id],
            atomic=self.atomic,
            retry=self.retry or default_retry(),
        )


def perform(functions, *, limit=50, revoked=(), **options):
    """Claim a run for each function, together, and work on them after these were revoked."""
    if not isinstance(functions, dict):
        functions = {"alone": functions}
    for place, task_id in enumerate(functions):
        fields = {"handler": BATCHABLE, "available_at": ago(seconds=60 - place)}
        make_run(task_id=task_id, **fields)
    runs = claim(
        task_id=next(iter(functions)),
        claimant=Claimant(),
        queue="default",
        batchable=[BATCHABLE],
        limit=limit,
    )
    for task_id in revoked:
        the_run(task_id).revoke()
    return run_claimed(Source(functions, **options), runs)


def effect(key, then=None):
    def work():
        Effect.objects.create(key=key)
        if then:
            raise then
        return key

    return work


def the_run(task_id="alone"):
    return TaskRun.objects.get(task_id=task_id)


def test_effects_and_outcome_commit_together():
    (outcome,) = perform(effect("a"))

    assert outcome.succeeded
    assert the_run().state == RunState.SUCCEEDED
    assert the_run().result == "a"
    assert Effect.counts() == {"a": 1}


def test_a_failure_rolls_its_effects_back_and_is_recorded_for_itself():
    perform(effect("a", ValueError("no\nway")))

    assert not Effect.objects.exists()
    run = the_run()
    assert (run.state, run.failures) == (RunState.PENDING, 1)
    assert run.error == "ValueError: no way"
    assert "raise then\nValueError: no\nway" in run.attempts.get().traceback
    wait = (run.available_at - run.attempts.get().finished_at).total_seconds()
    assert 29 <= wait <= 60


def test_effects_are_rolled_back_when_the_run_was_taken_away_meanwhile():
    def work():
        Effect.objects.create(key="a")
        current_run().token = 1  # another one's is in the row by now

    (outcome,) = perform(work)

    assert not outcome.succeeded
    assert not Effect.objects.exists()
    assert not TaskAttempt.objects.exists()


def test_in_a_batch_one_that_fails_disturbs_no_neighbour():
    outcomes = perform(
        {
            "a": effect("a"),
            "b": effect("b", ValueError()),
            "c": effect("c", IntegrityError()),
            "d": effect("d"),
        }
    )

    assert [outcome.succeeded for outcome in outcomes] == [True, False, False, True]
    assert Effect.counts() == {"a": 1, "d": 1}
    assert the_run("b").state == the_run("c").state == RunState.PENDING
    assert set(TaskAttempt.objects.values_list("run__task_id", flat=True)) == {"b", "c"}


def test_a_database_error_in_a_batch_stays_in_its_savepoint():
    def broken():
        Counter.objects.create(name="twice")
        Counter.objects.create(name="twice")

    perform({"a": effect("a"), "b": broken, "c": effect("c")})

    assert Effect.counts() == {"a": 1, "c": 1}
    assert "IntegrityError" in the_run("b").error
    assert Counter.read("twice") == 0


def test_when_the_transaction_itself_is_lost_each_run_starts_again_alone():
    once = []

    def unlucky():
        Effect.objects.create(key="b")
        if not once:
            once.append(1)
            raise OperationalError("deadlock detected")

    perform({"a": effect("a"), "b": unlucky, "c": effect("c")})

    assert Effect.counts() == {"a": 1, "b": 1, "c": 1}
    assert not TaskAttempt.objects.exists()


def test_a_batch_ends_when_its_time_is_up_and_hands_the_rest_back(settings):
    settings.NEURAL = {"batch_claim_seconds": 0.000001}

    outcomes = perform({"a": effect("a"), "b": effect("b"), "c": effect("c")})

    assert [outcome.skipped for outcome in outcomes] == [False, True, True]
    assert Effect.counts() == {"a": 1}
    for task_id in "bc":
        run = the_run(task_id)
        assert (run.state, run.failures, run.losses, run.token) == (RunState.PENDING, 0, 0, None)
    assert TaskRun.objects.due().count() == 2


def test_a_batch_of_history_ends_when_others_wait_to_write(monkeypatch):
    monkeypatch.setattr(type(ledger_dialect()), "others_wait", lambda *_: True)

    outcomes = perform({each: effect(each) for each in "abc"})

    assert [outcome.skipped for outcome in outcomes] == [False, True, True]
    assert Effect.counts() == {"a": 1}


@pytest.mark.parametrize("retry", [None, RetryPolicy(permanent=(LookupError,))])
def test_a_permanent_error_is_dead_at_once(retry):
    error = PermanentError("never") if retry is None else KeyError("never")

    perform(effect("a", error), retry=retry)

    assert (the_run().state, the_run().failures) == (RunState.DEAD, 1)
    assert the_run().finished_at
    assert the_run().attempts.get().traceback


def test_out_of_retries_is_dead():
    perform(effect("a", ValueError()), retry=RetryPolicy(max_retries=0))

    assert the_run().state == RunState.DEAD


def test_a_work_may_have_a_retry_policy_of_its_own():
    perform(effect("a", ValueError()), retry=RetryPolicy(base_seconds=7, jitter=0))

    run = the_run()
    assert run.available_at - run.attempts.get().finished_at == dt.timedelta(seconds=7)


def test_two_step_work_keeps_its_effects_when_it_fails():
    perform(effect("a", ValueError()), atomic=False)

    assert Effect.counts() == {"a": 1}  # which is why it must be idempotent
    assert the_run().failures == 1


def test_the_run_that_is_worked_on_is_known_to_the_work_and_only_to_it():
    (outcome,) = perform(lambda: current_run().task_id)

    assert outcome.value == "alone"
    assert current_run() is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "JSON"),
        ("a\x00b", "U\\+0000"),
        ("\ud800", "surrogate"),
        ("x" * 300_000, "at most 262,144"),
        (object(), "JSON"),
    ],
)
def test_a_result_that_cannot_be_kept_is_a_permanent_failure(value, reason):
    perform(lambda: Effect.objects.create(key="a") and value)

    assert the_run().state == RunState.DEAD
    assert the_run().error.startswith("NotStorable: the result of probe.count")
    assert re.search(reason, the_run().error)
    assert not Effect.objects.exists()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("text", ["a\x00b", "half \ud800 pair", "x" * 100_000, ""])
def test_any_error_text_can_be_recorded(text, together):
    functions = {"alone": effect("a", ValueError(text))}
    perform(functions | ({"other": effect("b")} if together else {}))

    assert the_run().failures == 1
    assert the_run().error.startswith("ValueError")
    assert the_run().attempts.get().traceback


def test_a_cancelled_coroutine_is_a_failed_attempt_and_ends_no_process():
    async def cancelled():
        raise asyncio.CancelledError

    perform(lambda: asyncio.run(cancelled()), atomic=False)

    assert the_run().failures == 1
    assert the_run().error == "NotAnException: CancelledError (not an Exception)"


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_again_at_once_without_counting():
    attempts = []

    def contended():
        attempts.append(1)
        Effect.objects.create(key="a")
        if len(attempts) < 3:
            raise OperationalError("database is locked")

    perform(contended)

    assert len(attempts) == 3
    assert Effect.counts() == {"a": 1}
    assert (the_run().state, the_run().failures) == (RunState.SUCCEEDED, 0)


@pytest.mark.django_db(transaction=True)
def test_contention_without_end_is_a_failed_attempt():
    perform(effect("a", OperationalError("database is locked")))

    assert (the_run().state, the_run().failures) == (RunState.PENDING, 1)


def test_the_soft_limit_is_a_failed_attempt():
    perform(effect("a", SoftTimeLimitExceeded()))

    assert (the_run().state, the_run().failures, the_run().losses) == (RunState.PENDING, 1, 0)


@pytest.mark.django_db(transaction=True)
def test_the_soft_limit_in_a_batch_fails_the_slow_run_only():
    """It comes once a delivery: nothing of the batch may start again without one."""
    starts = []

    def note(task_id, then=None):
        def work():
            starts.append(task_id)
            return effect(task_id, then)()

        return work

    perform({"a": note("a"), "b": note("b", SoftTimeLimitExceeded()), "c": note("c")})

    assert starts == ["a", "b"]
    assert not Effect.objects.exists()
    assert (the_run("b").state, the_run("b").failures) == (RunState.PENDING, 1)
    for task_id in "ac":
        run = the_run(task_id)
        assert (run.state, run.failures, run.losses) == (RunState.PENDING, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_after_the_soft_limit_in_a_batch_a_revoked_run_holds_back_no_other():
    slow, waiting = effect("slow", SoftTimeLimitExceeded()), effect("waiting")

    perform({"slow": slow, "revoked": waiting, "waiting": waiting}, revoked=["revoked"])

    states = dict(TaskRun.objects.values_list("task_id", "state"))
    assert states == {
        **dict.fromkeys(["slow", "waiting"], RunState.PENDING),
        "revoked": RunState.CANCELLED,
    }


@pytest.mark.django_db(transaction=True)
def test_an_outcome_waits_for_a_database_that_is_away(monkeypatch):
    real, failures = execute.settle, []

    def settle(outcomes):
        if len(failures) < 3:
            failures.append(1)
            raise OperationalError("the database is away")
        real(outcomes)

    monkeypatch.setattr(execute, "settle", settle)
    monkeypatch.setattr(dialects.time, "sleep", lambda seconds: None)
    perform(effect("a"), atomic=False)

    assert the_run().state == RunState.SUCCEEDED
    assert Effect.counts() == {"a": 1}


@pytest.mark.django_db(transaction=True)
def test_a_process_that_cannot_say_what_it_did_ends_itself(monkeypatch, settings):
    """Its runs are then lost deliveries, not runs that nobody will ever finish."""
    settings.NEURAL = {"settle_seconds": 0.01}

    def settle(outcomes):
        raise OperationalError("the database is away")

    class Ended(BaseException):
        pass

    def end(code):
        raise Ended(code)

    monkeypatch.setattr(execute, "settle", settle)
    monkeypatch.setattr(os, "_exit", end)
    with pytest.raises(Ended):
        perform(effect("a"), atomic=False)

    assert the_run().state == RunState.RUNNING


def test_a_nested_transaction_of_the_work_is_its_own_business():
    def work():
        Effect.objects.create(key="outer")
        try:
            with transaction.atomic():
                Effect.objects.create(key="inner")
                raise KeyError
        except KeyError:
            Effect.objects.create(key="after")

    perform(work)

    assert Effect.counts() == {"outer": 1, "after": 1}


def test_what_still_waits_in_a_batch_is_noted_while_another_run_is_at_work(waiting):
    """So it is known who is innocent if the process dies now."""
    seen = {}

    def work(task_id):
        seen[task_id] = set(waiting)

    perform({each: partial(work, each) for each in "abc"})

    assert seen == {"a": {"b", "c"}, "b": {"c"}, "c": set()}


def test_what_waits_is_noted_only_once_its_payload_has_been_read(waiting):
    """Reading may end the process, too: until then all are suspect."""

    class Reading(Source):
        def work_for(self, run):
            seen.append(set(waiting))
            return super().work_for(run)

    seen = []
    make_run(task_id="a", handler=BATCHABLE)
    make_run(task_id="b", handler=BATCHABLE)
    runs = claim(task_id="a", claimant=Claimant(), queue="default", batchable=[BATCHABLE], limit=50)
    run_claimed(Reading({each: effect(each) for each in "ab"}), runs)

    assert seen == [set(), set(), {"b"}, set()]


def test_a_batch_that_is_undone_leaves_nobody_waiting_who_is_at_work_alone(waiting):
    seen = []

    def lock():
        seen.append(set(waiting))
        if len(seen) == 1:
            raise OperationalError("deadlock detected")

    perform({"a": lock, "b": lambda: seen.append(set(waiting))})

    assert seen == [{"b"}, {"b"}, set()]
