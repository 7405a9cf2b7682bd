"""Handlers that take many at once: all or none, then each alone; bounded by time."""

import time
from functools import partial

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

import neural
from neural.events.registry import Handler, handler, handles
from neural.kit.errors import PermanentError
from neural.ledger import execute
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import Batch, Work, default_retry
from neural.models import NeuralEvent, RunState, TaskRun
from neural.tasks import process_neural_event
from tests.probe.models import Effect
from tests.unit.factories import ago, make_event, make_run

pytestmark = pytest.mark.django_db

BATCHABLE = "probe.count"
KNOWN_AS_FAST = 0.0001


@pytest.fixture(autouse=True)
def _ample(settings):
    """However busy the machine is, time is not what decides; a test of time says so."""
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": 60}


class Source:
    """Runs are done by one function of their task ids, which it takes as a list."""

    def __init__(self, function, retry=None):
        self.function = function
        self.retry = retry or default_retry()
        execute.learn(function, runs=1, seconds=KNOWN_AS_FAST)

    def work_for(self, run):
        item = partial(str, run.task_id)
        return Work(
            function=lambda: self.function([item()]),
            atomic=True,
            retry=self.retry,
            batch=Batch(self.function, item),
        )


def take(function, keys="abcd", **options):
    """Claim a run for each key, together, and work on them."""
    for place, key in enumerate(keys):
        make_run(task_id=key, handler=BATCHABLE, available_at=ago(seconds=60 - place))
    runs = claim(
        task_id=keys[0], claimant=Claimant(), queue="default", batchable=[BATCHABLE], limit=50
    )
    source = function if isinstance(function, Source) else Source(function, **options)
    return run_claimed(source, runs)


class Recorder:
    """A batch function that leaves an effect for each key and knows how it was called."""

    def __init__(self, *, error=None, bad="", seconds=0.0):
        self.calls: list[str] = []
        self.error, self.bad, self.seconds = error, bad, seconds

    def __call__(self, keys):
        self.calls.append("".join(keys))
        for key in keys:
            Effect.objects.create(key=key)
            time.sleep(self.seconds)
        if self.error and (not self.bad or self.bad in keys):
            raise self.error
        return "not kept"


def states():
    return dict(TaskRun.objects.values_list("task_id", "state"))


def test_one_call_does_them_all():
    work = Recorder()

    outcomes = take(work)

    assert work.calls == ["abcd"]
    assert all(outcome.succeeded for outcome in outcomes)
    assert Effect.counts() == dict.fromkeys("abcd", 1)
    assert set(states().values()) == {RunState.SUCCEEDED}


def test_what_it_returns_is_not_kept():
    take(Recorder())

    assert set(TaskRun.objects.values_list("result", flat=True)) == {None}


@pytest.mark.parametrize("error", [ValueError("no"), PermanentError("never")])
def test_after_an_error_each_is_done_alone_and_the_one_to_blame_fails_by_itself(error):
    work = Recorder(error=error, bad="c")

    take(work)

    assert work.calls == ["abcd", "a", "b", "c", "d"]
    assert Effect.counts() == dict.fromkeys("abd", 1)
    blamed = TaskRun.objects.get(task_id="c")
    assert blamed.failures == 1
    assert str(error) in blamed.error
    assert blamed.attempts.count() == 1
    assert {key for key, state in states().items() if state == RunState.SUCCEEDED} == set("abd")
    assert set(TaskRun.objects.exclude(pk=blamed.pk).values_list("failures", flat=True)) == {0}


def test_a_deadlock_undoes_the_batch_and_counts_for_nobody():
    class Deadlock(Recorder):
        def __call__(self, keys):
            super().__call__(keys)
            if len(keys) > 1:
                raise OperationalError("deadlock detected")

    work = Deadlock()

    take(work)

    assert work.calls == ["abcd", "a", "b", "c", "d"]
    assert Effect.counts() == dict.fromkeys("abcd", 1)
    assert set(TaskRun.objects.values_list("state", "failures")) == {("succeeded", 0)}


def test_of_a_handler_that_nobody_knows_yet_few_are_taken_first():
    work = Recorder()
    source = Source(work)
    execute._seconds_a_run.clear()

    take(source, "abcdefgh")

    assert work.calls == ["abcde", "fgh"]


def test_a_slow_handler_gets_as_many_as_fit_and_the_rest_waits_without_counting(settings):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": 0.05}
    work = Recorder(seconds=0.01)
    source = Source(work)
    execute._seconds_a_run.clear()
    execute.learn(work, runs=1, seconds=0.01)

    outcomes = take(source, "abcdefghijklmnop")

    assert 1 <= len(work.calls[0]) <= 5
    restore = [outcome.run.task_id for outcome in outcomes if outcome.skipped]
    assert set(restore) >= set("ijklmnop")
    waiting = TaskRun.objects.filter(task_id__in=restore)
    assert set(waiting.values_list("state", "failures", "losses")) == {("pending", 0, 0)}


def test_one_at_least_is_done_however_slow_it_is_known_to_be():
    work = Recorder()
    source = Source(work)
    execute.learn(work, runs=1, seconds=60)

    take(source)

    assert work.calls[0] == "a"


@pytest.mark.parametrize("max_retries", [0, 3])
def test_when_the_limit_strikes_many_at_once_each_is_due_again_at_once_and_alone(max_retries):
    source = Source(Recorder(error=SoftTimeLimitExceeded()), RetryPolicy(max_retries=max_retries))

    take(source)

    assert not Effect.objects.exists()
    runs = TaskRun.objects.all()
    assert {(run.state, run.failures, run.goes_alone) for run in runs} == {("pending", 1, True)}
    assert TaskRun.objects.due().count() == 4
    assert "tried again alone" in runs[0].error


def test_a_payload_that_its_schema_no_longer_accepts_fails_alone():
    day = "2026-03-02"
    good = [make_event(str(number), **_report(day, number)) for number in range(3)]
    bad = make_event("bad", type="sales.reported", payload={"day": "someday", "lines": []})

    handle(waiting([good[0], bad, *good[1:]]))

    assert dict(TaskRun.objects.values_list("event__event_id", "state")) == {
        **{event.event_id: "succeeded" for event in good},
        "bad": "dead",
    }


@pytest.mark.parametrize("kind", ["order.created", "sales.reported"])
def test_fifty_events_cost_no_more_statements_than_five(kind):
    few, many = (
        statements([make_one(kind, number) for number in range(start, start + count)])
        for start, count in ((0, 5), (5, 50))
    )

    assert many <= few + 2  # SQLite binds a limited number of values at once


def statements(events):
    runs = waiting(events)
    with CaptureQueriesContext(connection) as captured:
        handle(runs)
    assert not TaskRun.objects.exclude(state=RunState.SUCCEEDED).exists()
    return len(captured)


def make_one(kind, number):
    if kind == "order.created":
        return make_order(number)
    return make_event(str(number), **_report(f"2026-03-{number // 10 + 1:02}", number))


def _report(day, quantity):
    lines = [{"dish": "bun", "quantity": quantity}]
    return {"type": "sales.reported", "payload": {"day": day, "lines": lines}}


def make_order(number):
    lines = [{"dish": "bun", "quantity": 1, "price": "2.50"}] * 3
    return make_event(
        f"order-{number}", type="order.created", payload={"order_id": str(number), "lines": lines}
    )


HANDLERS = {"order.created": "neural.record_order", "sales.reported": "neural.record_sales"}


def waiting(events: list[NeuralEvent]) -> list[TaskRun]:
    names = [HANDLERS[event.type] for event in events]
    return [
        make_run(event=event, handler=name, available_at=ago(minutes=1))
        for event, name in zip(events, names, strict=True)
    ]


def handle(runs: list[TaskRun]):
    """As a worker claims a batch: one message, all that is due."""
    execute.learn(handler(runs[0].handler).function, runs=1, seconds=KNOWN_AS_FAST)
    names = [runs[0].handler]
    claimed = claim(
        task_id=runs[0].task_id, claimant=Claimant(), queue="default", batchable=names, limit=50
    )
    return run_claimed(process_neural_event, claimed)


@pytest.mark.parametrize("function", [lambda received: None, "coroutine"])
def test_only_atomic_handlers_can_take_batches(function):
    async def coroutine(received):
        """Runs in two steps."""

    with pytest.raises(ValueError, match="only atomic handlers can take batches"):
        handles("probe.counted", name="x", batch=True, atomic=False)(
            coroutine if function == "coroutine" else function
        )


def test_a_batch_handler_takes_a_lone_event_as_a_list_of_one():
    taken = []
    lone = Handler(name="x", function=taken.append, types=("probe.counted",), batch=True)

    lone.call(neural.Received("event", "data"))

    assert taken == [[("event", "data")]]


def test_all_that_one_call_takes_have_begun_and_the_rest_waits(waiting):
    seen = []

    def work(keys):
        seen.append(set(waiting))

    source = Source(work)
    execute._seconds_a_run.clear()  # so that five are taken first
    take(source, "abcdefgh")

    assert seen == [{"f", "g", "h"}, set()]
