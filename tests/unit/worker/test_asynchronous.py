"""A worker that waits for many at once: each run has its own claim, limits, request and outcome."""

import asyncio
import datetime as dt
from contextlib import suppress
from functools import partial

import pytest
from celery.exceptions import Ignore
from django.db import OperationalError, connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import neural
from neural.kit.errors import PermanentError
from neural.ledger import claim
from neural.ledger.work import current_run
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from neural.queues import pausing
from neural.worker import relay
from neural.worker.asynchronous import runner as runners
from tests.probe import tasks
from tests.unit.factories import make_run, make_worker
from tests.unit.worker.driven import Driven, Source

pytestmark = pytest.mark.django_db


@pytest.fixture
def driven():
    it = Driven()
    yield it
    it.close()


async def wait(seconds=1.0, *, then=None):
    await asyncio.sleep(seconds)
    if then is not None:
        raise then
    return "waited"


def states(**filters):
    return dict(TaskRun.objects.filter(**filters).values_list("task_id", "state"))


def updates(queries):
    return [each for each in queries if "UPDATE neural_taskrun" in each["sql"]]


def test_two_hundred_waits_take_as_long_as_one(driven):
    driven.runner.limit = 200
    driven.ask({f"r{number}": wait for number in range(200)})

    assert driven.work() == pytest.approx(1, abs=0.1)
    assert set(states().values()) == {RunState.SUCCEEDED}
    assert TaskRun.objects.get(task_id="r7").result == "waited"


def test_no_more_runs_are_under_way_than_the_bound(driven):
    driven.runner.limit = 10
    most = []

    async def count():
        most.append(len(driven.runner.under_way()))
        return await wait()

    driven.ask({f"r{number}": count for number in range(25)})

    assert driven.work() == pytest.approx(3, abs=0.2)
    assert max(most) == 10
    assert set(states().values()) == {RunState.SUCCEEDED}


def test_what_arrives_together_is_claimed_and_settled_by_one_statement_each(driven):
    driven.ask({f"r{number}": wait for number in range(50)})

    with CaptureQueriesContext(
        connection,
    ) as queries:
        driven.work()

    assert len(updates(queries)) == 2


@pytest.mark.parametrize(
    ("error", "state", "failures", "due_in"),
    [
        (ValueError("no answer"), RunState.PENDING, 1, 60),
        (PermanentError("refused"), RunState.DEAD, 1, 0),
        (neural.Snooze(120), RunState.PENDING, 0, 120),
        (Ignore(), RunState.DISCARDED, 0, 0),
        (SystemExit(3), RunState.PENDING, 1, 60),
        (asyncio.CancelledError(), RunState.PENDING, 1, 60),
    ],
)
def test_one_that_does_not_succeed_leaves_its_neighbours_alone(
    driven, settings, error, state, failures, due_in
):
    settings.NEURAL = {**settings.NEURAL, "retry_jitter": 0}
    neighbours = {f"r{number}": wait for number in range(5)}
    driven.ask({"odd": partial_wait(then=error), **neighbours})

    driven.work()

    odd = TaskRun.objects.get(task_id="odd")
    assert (odd.state, odd.failures, odd.losses) == (state, failures, 0)
    waits = (odd.available_at - timezone.now()).total_seconds()
    assert waits == pytest.approx(due_in, abs=15)
    assert set(states(task_id__startswith="r").values()) == {RunState.SUCCEEDED}


def partial_wait(**options):
    async def waits():
        return await wait(**options)

    return waits


def test_the_soft_limit_cancels_one_coroutine_which_fails(driven):
    seen = []

    async def slow():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append(driven.clock.time())
            raise

    driven.ask({"slow": slow}, options={"soft_time_limit": 2})
    driven.ask({"patient": partial_wait(seconds=30)})

    driven.work()

    run = TaskRun.objects.get(task_id="slow")
    assert seen == [pytest.approx(2, abs=0.1)]
    assert (run.state, run.failures) == (RunState.PENDING, 1)
    assert run.error.startswith("SoftTimeLimitExceeded")
    assert states(task_id="patient") == {"patient": RunState.SUCCEEDED}


def test_a_coroutine_that_catches_the_soft_limit_may_still_succeed(driven):
    async def careful():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "as far as it got"

    driven.ask({"careful": careful}, options={"soft_time_limit": 2})

    driven.work()

    assert TaskRun.objects.get().result == "as far as it got"


def test_a_timeout_of_the_work_itself_is_no_limit(driven):
    async def impatient():
        async with asyncio.timeout(1):
            await asyncio.sleep(60)

    driven.ask({"impatient": impatient})

    driven.work()

    assert TaskRun.objects.get().error.startswith("TimeoutError")


def test_a_revoked_run_is_cancelled_alone(driven):
    seen = []

    async def revoked():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(driven.clock.time())

    driven.ask({"revoked": revoked, "other": partial_wait(seconds=3)})
    driven.work(until=1)

    TaskRun.objects.get(task_id="revoked").revoke()
    driven.runner.drop_revoked()
    driven.work()

    assert states() == {"revoked": RunState.CANCELLED, "other": RunState.SUCCEEDED}
    assert seen[0] < 2
    assert driven.answers["revoked"] == ()


def test_a_run_that_another_worker_has_claimed_since_is_cancelled_here(driven):
    seen = []

    async def taken():
        try:
            await asyncio.sleep(60)
        finally:
            seen.append(driven.clock.time())

    driven.ask({"taken": taken, "other": partial_wait(seconds=3)})
    driven.work(until=1)

    TaskRun.objects.filter(task_id="taken").update(token=F("token") + 1)
    driven.runner.drop_revoked()
    driven.work()

    assert states() == {"taken": RunState.RUNNING, "other": RunState.SUCCEEDED}
    assert seen[0] < 2
    assert driven.answers["taken"] == ()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_taken_away_changes_nothing_and_its_neighbours_succeed(driven):
    driven.ask({"taken": wait, "other": wait})
    driven.work(until=0.5)

    TaskRun.objects.filter(task_id="taken").update(token=5)
    driven.work()

    assert states() == {"taken": RunState.RUNNING, "other": RunState.SUCCEEDED}


def test_a_coroutine_that_does_not_end_is_given_up_as_a_lost_delivery(driven):
    async def stubborn():
        for _ in range(3):
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(20)

    driven.ask({"stubborn": stubborn, "other": partial_wait(seconds=3)})
    driven.work(until=1)

    (it,) = [it for it in driven.runner.under_way() if it.run.task_id == "stubborn"]
    driven.runner.give_up(it, why="beyond its limit")
    driven.work()

    run = TaskRun.objects.get(task_id="stubborn")
    assert (run.state, run.losses, run.failures) == (RunState.PENDING, 1, 0)
    assert run.error == "beyond its limit"
    assert driven.answers["stubborn"] == ()
    assert states(task_id="other") == {"other": RunState.SUCCEEDED}


def test_an_expired_run_does_not_begin(driven):
    begun = []

    async def begin():
        begun.append(1)

    past = (timezone.now() - dt.timedelta(hours=1)).isoformat()
    driven.ask({"late": begin}, options={"expires_at": past})

    driven.work()

    assert states() == {"late": RunState.CANCELLED}
    assert begun == []


def test_runs_of_a_paused_queue_wait(driven):
    pausing.pause(queue="default", reason="the supplier is down", by="ann")
    driven.ask({"waits": wait})

    driven.work()

    assert states() == {"waits": RunState.PENDING}
    assert driven.answers == {"waits": ()}


def test_a_late_message_is_answered_and_leads_to_nothing(driven):
    make_run(RunState.SUCCEEDED, task_id="done")
    driven.ask({"mine": wait})
    driven.deliver(["done", "mine", "gone"], Source({}))

    driven.work()

    assert driven.answers["done"] == driven.answers["gone"] == ()
    assert states() == {"done": RunState.SUCCEEDED, "mine": RunState.SUCCEEDED}


def test_each_coroutine_has_its_own_request_and_current_run(driven):
    for name, seconds in (("one", 3), ("two", 2), ("three", 1)):
        kwargs = {"key": name, "seconds": seconds}
        make_run(task="probe.wait", task_id=name, kwargs=kwargs)
    driven.deliver(["one", "two", "three"], tasks.wait)

    driven.work()

    for name in ("one", "two", "three"):
        assert TaskRun.objects.get(task_id=name).result == [name] * 6


def test_a_task_that_a_coroutine_starts_acts_for_the_same_run(driven):
    found = []

    async def starts():
        async def child():
            await asyncio.sleep(0)
            found.append((current_run().task_id, driven.runner.loop.holder()[1].task_id))

        await asyncio.gather(child(), child())

    driven.ask({"parent": starts, "other": wait})

    driven.work()

    assert found == [("parent", "parent")] * 2


def test_a_run_with_a_unique_key_is_claimed_too(driven):
    driven.ask({"unique": wait}, unique_key="one-at-a-time")

    driven.work()

    assert states() == {"unique": RunState.SUCCEEDED}


def test_work_that_is_no_coroutine_is_done_as_well(driven):
    driven.ask({"plain": lambda: "done"})

    driven.work()

    assert TaskRun.objects.get().result == "done"
    (outcome,) = driven.answers["plain"]
    assert outcome.succeeded


def test_work_that_waits_for_the_thread_for_no_coroutines_is_not_beyond_its_limit(driven):
    seen = []

    def look():
        seen.append([it.seconds() for it in driven.runner.under_way()])

    driven.ask({"first": look, "second": look})
    driven.work()

    assert seen[0][0] >= 0
    assert seen[0][1] < 0


def test_work_that_cannot_begin_fails_alone(driven):
    driven.ask({"unknown": wait, "other": wait}, source=Source({"other": wait}))

    driven.work()

    assert states() == {"unknown": RunState.PENDING, "other": RunState.SUCCEEDED}
    assert TaskRun.objects.get(task_id="unknown").error.startswith("KeyError")


def test_a_claim_that_fails_leaves_the_runs_to_their_next_messages(driven, monkeypatch):
    def broken(**_):
        raise OperationalError("the database is away")

    monkeypatch.setattr(runners, "claim_each", broken)
    driven.ask({"waits": wait})

    driven.work()

    assert driven.answers == {"waits": ()}
    assert states() == {"waits": RunState.PENDING}


# After a loss


@pytest.mark.parametrize("losses", [1, 2])
def test_runs_that_were_lost_before_are_started_a_few_at_a_time(driven, losses):
    most = []

    async def count():
        most.append(sum(it.run.losses > 0 for it in driven.runner.under_way()))
        return await wait()

    driven.ask({f"r{number}": count for number in range(25)}, losses=losses)
    driven.ask({f"new{number}": wait for number in range(25)})

    assert driven.work() == pytest.approx(3, abs=0.2)
    assert max(most) == runners.SUSPECTS
    assert set(states().values()) == {RunState.SUCCEEDED}


@pytest.mark.parametrize(("losses", "most"), [(3, 4), (1, 2)])
def test_a_run_that_another_loss_would_leave_dead_is_beside_no_other_suspect(
    driven, losses, most, settings
):
    settings.NEURAL = {**settings.NEURAL, "max_lost_deliveries": most}
    beside = []

    async def look():
        beside.append([it.run.task_id for it in driven.runner.under_way() if it.run.losses])
        return await wait()

    driven.ask({"poison": look}, losses=losses)
    driven.ask({"once": wait}, losses=1)

    driven.work()

    assert beside == [["poison"]]
    assert set(states().values()) == {RunState.SUCCEEDED}


# The end


def test_a_worker_that_stops_records_what_has_ended_and_releases_the_rest(driven):
    worker = make_worker()
    claim.set_own_worker(worker)
    try:
        driven.ask({"quick": wait, "slow": partial_wait(seconds=60), "late": wait})
        driven.work(until=0.5)
        driven.runner.claim_no_more()
        driven.clock.run_until_complete(asyncio.sleep(1))
        driven.ask({"new": wait})
        driven.runner.loop.leave = lambda: None
        driven.do_jobs()
        driven.runner.ledger.put = partial(_at_once, driven.runner.ledger)
        driven.runner.stop()
        driven.work()
        relay.release_all(worker)
    finally:
        claim.set_own_worker(None)

    assert states() == {
        "quick": RunState.SUCCEEDED,
        "late": RunState.SUCCEEDED,
        "slow": RunState.PENDING,
        "new": RunState.PENDING,
    }
    slow = TaskRun.objects.get(task_id="slow")
    assert (slow.failures, slow.losses) == (0, 0)
    assert "new" not in driven.answers  # its message goes back to the queue
    assert not TaskAttempt.objects.filter(run__task_id="new").exists()
    assert TaskAttempt.objects.get(run=slow).outcome == AttemptOutcome.RELEASED


def _at_once(lane, job, *, run=None):
    type(lane).put(lane, job)
    future = lane.jobs[-1][0]
    lane.do_all()
    return future
