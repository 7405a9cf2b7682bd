"""What a message of a task or a single handler leads to: quick runs of its kind, in turn."""

from contextlib import ExitStack, contextmanager
from types import SimpleNamespace

import pytest
from celery import current_app, signals
from celery.exceptions import Ignore

from neural.broker.message import RUN_HEADER
from neural.ledger import execute, ports
from neural.models import RunState, TaskRun
from neural.tasks import process_neural_event
from neural.worker import delivery, in_turn
from neural.worker.in_turn import pace_of
from neural.worker.request import LedgerRequest
from tests.probe import tasks
from tests.probe.models import Effect
from tests.unit.celeryapp.test_task import delivered, submitted
from tests.unit.factories import ago, make_run

pytestmark = pytest.mark.django_db

QUICK = 0.0001


@pytest.fixture(autouse=True)
def _no_broker(fake_broker):
    """Nothing is published."""


def asked_for(task, keys, **fields):
    """Runs that are due, in this order, of a task that is known to be quick."""
    execute.learn(pace_of(task.name, ""), runs=1, seconds=QUICK)
    return [
        make_run(
            task=task.name,
            task_id=key,
            kwargs={"key": key},
            available_at=ago(seconds=60 - place),
            **fields,
        )
        for place, key in enumerate(keys)
    ]


def deliver(task, task_id, **message):
    with delivered(task, task_id, **message) as it:
        return it()


def done():
    return set(TaskRun.objects.filter(state=RunState.SUCCEEDED).values_list("task_id", flat=True))


@pytest.fixture
def first_claim_only(monkeypatch):
    """The message's time is up after its first claim."""
    monkeypatch.setattr(delivery.Delivery, "_has_time", lambda delivery: False)


@pytest.mark.parametrize("task", [tasks.count, tasks.count_in_two_steps])
def test_a_message_of_a_quick_task_leads_to_all_of_its_runs(task, first_claim_only):
    asked_for(task, "abc")

    deliver(task, "b")

    assert done() == set("abc")
    assert Effect.counts() == dict.fromkeys("abc", 1)


def test_of_a_task_whose_pace_is_not_known_one_is_claimed(first_claim_only):
    asked_for(tasks.count, "abc")
    execute._seconds_a_run.clear()

    deliver(tasks.count, "b")

    assert done() == {"b"}


def test_of_a_slow_task_one_is_claimed(first_claim_only):
    asked_for(tasks.count, "abc")
    execute.learn(pace_of(tasks.count.name, ""), runs=1, seconds=3600)

    deliver(tasks.count, "b")

    assert done() == {"b"}


def test_while_there_is_time_others_follow_the_first(settings):
    asked_for(tasks.count, "abc")
    execute._seconds_a_run.clear()

    deliver(tasks.count, "b")

    assert done() == set("abc")


def test_as_many_are_claimed_as_the_setting_allows_and_one_switches_it_off(
    settings, first_claim_only
):
    asked_for(tasks.count, "abcd")

    settings.NEURAL = {**settings.NEURAL, "in_turn_claim_runs": 1}
    deliver(tasks.count, "d")
    assert done() == {"d"}

    settings.NEURAL = {**settings.NEURAL, "in_turn_claim_runs": 2}
    deliver(tasks.count, "c")
    assert done() == set("acd")


def test_a_late_message_leads_to_the_others(first_claim_only):
    asked_for(tasks.count, "ab")

    with pytest.raises(Ignore):
        deliver(tasks.count, "done before")

    assert done() == set("ab")


@pytest.mark.parametrize(
    "fields",
    [{"losses": 2}, {"options": {"time_limit": 9}}],
    ids=["lost twice", "with limits"],
)
def test_a_run_that_was_lost_twice_or_has_limits_of_its_own_goes_alone(fields):
    asked_for(tasks.count, "ab")
    asked_for(tasks.count, "c", **fields)

    deliver(tasks.count, "a")
    assert done() == set("ab")

    asked_for(tasks.count, "d")
    deliver(tasks.count, "c")
    assert done() == set("abc")


def test_a_backlog_that_was_lost_once_is_drained_together(first_claim_only):
    """As after a worker was killed that held all of it."""
    asked_for(tasks.count, "abcd", losses=1)
    asked_for(tasks.count, "e", losses=2)

    deliver(tasks.count, "b")
    assert done() == set("abcd")

    deliver(tasks.count, "e")
    assert done() == set("abcde")


def test_members_of_a_group_go_with_others(first_claim_only):
    asked_for(tasks.count, "a", options={"group_id": "g", "group_index": 0, "root_id": "r"})
    asked_for(tasks.count, "b", options={"group_id": "g", "group_index": 1, "headers": {"t": "1"}})

    deliver(tasks.count, "a")

    assert done() == set("ab")


def test_a_run_that_has_only_failed_goes_with_others(first_claim_only):
    asked_for(tasks.count, "a")
    asked_for(tasks.count, "b", failures=1)

    deliver(tasks.count, "a")

    assert done() == set("ab")


@pytest.mark.parametrize(
    "fields",
    [{"queue": "high_priority"}, {"unique_key": "k"}, {"available_at": ago(days=-1)}],
    ids=["on another queue", "with a unique key", "not due"],
)
def test_these_are_not_taken_along(fields):
    asked_for(tasks.count, "a")
    values = {"task": tasks.count.name, "task_id": "b", "kwargs": {"key": "b"}}
    make_run(**{**values, **fields})

    deliver(tasks.count, "a")

    assert done() == {"a"}


def test_runs_of_other_tasks_are_left_and_none_is_looked_for_in_their_backlog(monkeypatch):
    monkeypatch.setattr("neural.ledger.claim.FRONT", 1)
    asked_for(tasks.count_in_two_steps, [f"other {number}" for number in range(150)])
    TaskRun.objects.update(available_at=ago(seconds=600))
    asked_for(tasks.count, "ab")

    deliver(tasks.count, "a")

    assert done() == {"a"}


@pytest.mark.parametrize("number", [2, 3])
def test_while_more_is_due_late_messages_of_the_task_lead_to_it(number, monkeypatch, settings):
    settings.NEURAL = {**settings.NEURAL, "in_turn_claim_runs": 3}
    monkeypatch.setattr(delivery.Delivery, "_has_time", lambda delivery: False)
    monkeypatch.setattr(delivery, "_done", None)
    monkeypatch.setattr(ports, "note_waiting", ports.note_waiting)
    delivery.prepare()
    asked_for(tasks.count, "abc"[:number])
    delivery.note_more("default", True, task=tasks.count.name)

    deliver(tasks.count, "a")

    delivery._done.remember("b", streamed=False)
    headers = {"id": "b", "task": tasks.count.name, RUN_HEADER: True}
    late = SimpleNamespace(headers=headers, delivery_info={"routing_key": "default"})
    assert (delivery.known_as_done(late) is None) is (number == 3)


def test_a_rate_limit_holds_for_each_run():
    asked_for(tasks.count, "ab")

    deliver(tasks.count, "a", **{delivery.RATE_LIMITED: True})

    assert done() == {"a"}


# Events


def single(number):
    execute.learn(pace_of(process_neural_event.name, "probe.count"), runs=1, seconds=QUICK)
    return [run.task_id for run in submitted(number)]


def test_with_batches_off_events_of_one_handler_are_done_in_turn(settings, monkeypatch):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_runs": 1}
    monkeypatch.setattr(delivery.batch, "run_claimed", None)
    own, *others = single(3)

    deliver(process_neural_event, own, argsrepr="probe.count")

    assert done() == {own, *others}


def test_with_batches_on_atomic_handlers_are_batched(monkeypatch):
    monkeypatch.setattr(in_turn, "run_in_turn", None)
    own, *others = single(3)

    deliver(process_neural_event, own, argsrepr="probe.count")

    assert done() == {own, *others}


def test_a_message_that_names_another_handler_leads_to_its_own_run_alone(settings):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_runs": 1}
    own, *_ = single(3)
    execute.learn(pace_of(process_neural_event.name, "probe.left"), runs=1, seconds=QUICK)

    deliver(process_neural_event, own, argsrepr="probe.left")

    assert done() == {own}


# As Celery sees them


@contextmanager
def listening(signal, receiver):
    signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        signal.disconnect(receiver)


def test_each_run_has_its_signals_and_its_request():
    asked_for(tasks.count, "a")
    asked_for(tasks.count, "b", options={"headers": {"tenant": "mine"}}, parent_task_id="p")
    asked_for(tasks.count, "c")
    TaskRun.objects.filter(task_id="c").update(kwargs={"key": "c", "permanent": True})
    heard = []

    def hear(what):
        def receive(sender, **_):
            request = sender.request
            heard.append((what, request.id, request.get("tenant"), request.parent_id))

        return receive

    with ExitStack() as listeners:
        for name in ("prerun", "postrun", "success", "failure"):
            listeners.enter_context(listening(getattr(signals, f"task_{name}"), hear(name)))
        deliver(tasks.count, "a", tenant="of the message", headers={})

    assert heard == [
        ("prerun", "b", "mine", "p"),
        ("postrun", "b", "mine", "p"),
        ("prerun", "c", None, None),
        ("postrun", "c", None, None),
        ("success", "b", "mine", "p"),
        ("failure", "c", None, None),
    ]


def test_the_methods_of_the_task_are_called_for_each_run(monkeypatch):
    asked_for(tasks.count, "abc")
    TaskRun.objects.filter(task_id="c").update(kwargs={"key": "c", "fail_times": 1})
    called = []
    for name in ("on_success", "on_retry", "after_return"):
        monkeypatch.setattr(
            type(current_app.tasks[tasks.count.name]),
            name,
            lambda *args, name=name: called.append(name),
            raising=False,
        )

    deliver(tasks.count, "a")

    assert called == ["on_success", "after_return", "on_retry", "after_return"]


def test_of_a_run_that_is_due_again_at_once_the_second_attempt_is_told_of_like_anothers():
    """Celery itself tells of the first alone."""
    failed, again, another = (
        SimpleNamespace(run=SimpleNamespace(task_id=task_id)) for task_id in ("own", "own", "b")
    )
    delivered = delivery.Delivery(tasks.count, "own", task="", queue="", batchable=())

    delivered.outcomes = [failed, again, another]

    assert (delivered.own, delivered.batched) == (failed, [again, another])


def test_a_task_that_does_something_before_each_start_has_one_run_a_message(monkeypatch):
    asked_for(tasks.count, "ab")
    kind = type(current_app.tasks[tasks.count.name])
    monkeypatch.setattr(kind, "before_start", lambda *_: None, raising=False)

    deliver(tasks.count, "a")

    assert done() == {"a"}


@pytest.mark.parametrize("limit", ["10/m", None])
def test_the_main_process_says_whether_a_rate_limit_holds(limit, monkeypatch):
    """Only that process knows what `celery control rate_limit` has set."""
    monkeypatch.setattr(tasks.count, "rate_limit", limit)
    headers = {"id": "a", "task": tasks.count.name}
    message = SimpleNamespace(headers=headers, properties={}, delivery_info={}, body=((), {}, {}))

    request = LedgerRequest(message, app=current_app, task=tasks.count, decoded=True)

    assert request.request_dict[delivery.RATE_LIMITED] is bool(limit)
