"""The pool of an asynchronous worker, as Celery sees it, and its threads."""

import asyncio
import threading
from types import SimpleNamespace

import pytest
from asgiref.sync import sync_to_async
from celery import current_app
from celery.exceptions import Ignore
from django.db import connection, transaction

from neural.broker.message import RUN_HEADER
from neural.events.recording import EVENT_TASK
from neural.ledger.guard import NothingKept
from neural.ledger.work import Clock, current, current_run
from neural.models import RunState, TaskRun
from neural.worker import delivery
from neural.worker.asynchronous.lane import Lane
from neural.worker.asynchronous.loop import Loop, UnderWay
from neural.worker.asynchronous.pool import TaskPool
from tests.probe import tasks
from tests.probe.models import Effect
from tests.unit.celeryapp.test_task import delivered
from tests.unit.factories import held
from tests.unit.worker.driven import Waiting


@pytest.fixture
def pool():
    """Its threads are the test's."""
    it = TaskPool(limit=5, app=current_app)
    it.runner = SimpleNamespace(asked=[], others=Waiting("others"))
    it.runner.ask = it.runner.asked.append
    it._answers = Waiting("answers")
    return it


def apply(pool, task, *, header=True):
    """Bring a message of this task; returns what was traced and acknowledged."""
    seen = []
    request = {RUN_HEADER: True} if header else {}
    pool.on_apply(
        lambda *_: seen.append(delivery.recorded.get()) or "traced",
        (task, "id-1", request, b"", "", ""),
        callback=seen.append,
        accept_callback=lambda *_: seen.append("accepted"),
    )
    return seen


@pytest.mark.parametrize("task", [EVENT_TASK, "probe.wait"])
def test_a_runs_message_is_traced_once_its_outcome_is_recorded(pool, task):
    seen = apply(pool, task)
    assert seen == ["accepted"]
    (asked,) = pool.runner.asked
    assert (asked.task_id, asked.source.name) == ("id-1", task)

    asked.answer(["its outcome"])
    pool._answers.do_all()

    assert seen == ["accepted", ["its outcome"], "traced"]
    assert delivery.recorded.get() is None


@pytest.mark.parametrize(
    ("task", "header"), [("probe.count", True), ("celery.backend_cleanup", False)]
)
def test_any_other_message_is_traced_in_the_thread_for_other_work(pool, task, header):
    seen = apply(pool, task, header=header)
    assert (seen, pool.runner.asked) == (["accepted"], [])

    pool.runner.others.do_all()

    assert seen == ["accepted", None, "traced"]


def test_celerys_own_thread_acknowledges_a_message_until_the_worker_stops(pool):
    hub = SimpleNamespace(calls=[])
    hub.call_soon = lambda *call: hub.calls.append(call)
    pool.register_with_event_loop(hub)
    acknowledged = []

    pool._tell(acknowledged.append, 1)
    pool.runner.claim_no_more = lambda: None
    pool.claim_no_more()
    pool._tell(acknowledged.append, 2)

    assert hub.calls == [(acknowledged.append, 1)]
    assert acknowledged == [2]


@pytest.mark.django_db
def test_a_plain_clients_message_is_recorded_and_done_by_a_message_of_its_run(
    fake_broker, monkeypatch
):
    monkeypatch.setattr(delivery, "has_loop", True)
    with (
        delivered(tasks.wait, "theirs", foreign=True) as task,
        pytest.raises(Ignore),
    ):
        task(key="k", seconds=0)

    assert TaskRun.objects.get().state == RunState.PENDING
    assert [message.task_id for message in fake_broker.sent] == ["theirs"]


@pytest.mark.django_db
def test_a_recorded_outcome_is_what_celery_traces(monkeypatch):
    """No second claim is made for it."""
    before = delivery.recorded.set(())
    try:
        with delivered(tasks.wait, "late") as task, pytest.raises(Ignore, match="late message"):
            task()
    finally:
        delivery.recorded.reset(before)


# Threads


def test_a_lane_does_one_job_after_the_other_and_says_whose_it_is():
    lane = Lane("of-a-test")
    gate, seen = threading.Event(), []
    run = TaskRun(task_id="mine")

    first = lane.put(lambda: gate.wait(60) and seen.append(1), run=run)
    second = lane.submit(seen.append, 2)
    third = lane.put(lambda: 1 / 0)
    while lane.doing is None:
        pass
    assert (lane.doing, seen) == (run, [])
    gate.set()

    assert isinstance(third.exception(60), ZeroDivisionError)
    assert first.done()
    assert second.done()
    assert seen == [1, 2]


@pytest.mark.django_db(transaction=True)
def test_a_call_that_leaves_a_transaction_open_fails_and_keeps_no_neighbours_writes():
    lane = Loop(on_end=lambda it, outcome: None).orm

    try:
        left = lane.put(lambda: transaction.atomic().__enter__())
        assert isinstance(left.exception(60), NothingKept)
        lane.put(lambda: Effect.objects.create(key="neighbour")).result(60)
        assert lane.put(lambda: connection.in_atomic_block).result(60) is False
    finally:
        lane.put(lambda: connection.close()).result(60)

    assert Effect.objects.filter(key="neighbour").exists()


@pytest.mark.django_db(transaction=True)
def test_orm_calls_of_all_coroutines_are_made_in_one_thread_for_their_own_runs():
    ended = []
    loop = Loop(on_end=lambda it, outcome: ended.append(outcome))
    loop.start()

    async def body():
        def ask():
            return threading.get_ident(), current_run().task_id, TaskRun.objects.count()

        return await sync_to_async(ask)()

    for number in range(10):
        run = held(None, task_id=f"r{number}")
        loop.begin(UnderWay(run, Clock.of(run)), body())
    while len(ended) < 10:
        asyncio.run(asyncio.sleep(0.01))
    loop.orm.put(lambda: connection.close()).result(60)

    values = [outcome.value for outcome in ended]
    assert len({thread for thread, _, _ in values}) == 1
    assert [name for _, name, _ in values] == [outcome.run.task_id for outcome in ended]
    assert current.get() is None
