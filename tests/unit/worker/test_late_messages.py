"""A message whose run is done is acknowledged where it arrives; any other goes to the pool."""

from types import SimpleNamespace

import pytest
from celery import current_app
from celery.exceptions import Ignore
from celery.worker import state

from neural.broker.message import RUN_HEADER
from neural.ledger import ports
from neural.models import NeuralEvent, RunState, TaskRun
from neural.tasks import process_neural_event
from neural.worker import delivery, request
from neural.worker.delivery import Delivery
from tests.probe import tasks
from tests.unit.celeryapp.test_task import delivered, submitted

QUEUE = "default"


class Eventer:
    """The event stream of a worker's main process."""

    def __init__(self) -> None:
        self.enabled = False
        self.groups = {"worker", "task"}
        self.sent: list[tuple[str, str]] = []

    def send(self, kind, *, uuid, **_):
        self.sent.append((kind, uuid))


class MainProcess:
    """A worker's main process that has just made its memory."""

    def __init__(self, monkeypatch) -> None:
        monkeypatch.setattr(delivery, "_done", None)
        monkeypatch.setattr(ports, "note_waiting", ports.note_waiting)
        monkeypatch.setattr(request.strategy, "default", lambda *_, **__: self.dispatch)
        delivery.prepare()
        self.dispatched: list[str] = []
        self.acknowledged: list[str] = []
        self.eventer = Eventer()
        connection = SimpleNamespace(default_channel=SimpleNamespace())
        consumer = SimpleNamespace(
            connection_errors=(), event_dispatcher=self.eventer, connection=connection
        )
        self.take = process_neural_event.start_strategy(current_app, consumer)

    def dispatch(self, message, *_):
        self.dispatched.append(message.headers["id"])

    def receive(self, task_id, *, header=True, queue=QUEUE):
        headers = {"id": task_id, "task": process_neural_event.name}
        message = SimpleNamespace(
            headers=headers | ({RUN_HEADER: True} if header else {}),
            delivery_info={"routing_key": queue},
        )
        self.take(message, None, lambda *_: self.acknowledged.append(task_id), None, ())


@pytest.fixture
def main(monkeypatch):
    return MainProcess(monkeypatch)


def know(task_id, *, streamed=False):
    delivery._done.remember(task_id, streamed=streamed)


def deliver(task_id, **options):
    with delivered(process_neural_event, task_id, queue=QUEUE, **options) as task:
        return task()


def test_a_late_message_is_acknowledged_and_reaches_no_process(main):
    know("late")

    main.receive("late")

    assert (main.acknowledged, main.dispatched) == (["late"], [])


def test_a_message_whose_run_is_not_known_as_done_goes_to_the_pool(main):
    know("late")

    main.receive("new")

    assert (main.acknowledged, main.dispatched) == ([], ["new"])


def test_a_run_wrongly_taken_for_done_costs_one_message(main):
    """The relay sends another one."""
    know("again")

    main.receive("again")
    main.receive("again")

    assert (main.acknowledged, main.dispatched) == (["again"], ["again"])


def test_a_plain_clients_message_always_goes_to_the_pool(main):
    know("foreign")

    main.receive("foreign", header=False)

    assert main.dispatched == ["foreign"]


def test_while_more_is_due_a_late_message_brings_a_process_to_it(main):
    know("late")
    delivery.note_more(QUEUE, True)
    main.receive("late")
    assert main.dispatched == ["late"]

    delivery.note_more(QUEUE, False)
    know("later")
    main.receive("later")

    assert main.acknowledged == ["later"]


def test_a_late_message_is_counted_with_the_tasks_of_its_worker(main):
    """`celery inspect stats` has one for each message, as ever."""
    before, all_before = state.total_count[process_neural_event.name], state.all_total_count[0]
    know("late")

    main.receive("late")

    assert state.total_count[process_neural_event.name] == before + 1
    assert state.all_total_count[0] == all_before + 1


def test_who_listens_hears_of_a_late_message_what_celery_would_say(main):
    """Its run's success has been told already: nothing is left as received."""
    main.eventer.enabled = True
    know("late", streamed=True)

    main.receive("late")

    assert main.eventer.sent == [("task-received", "late"), ("task-started", "late")]


@pytest.mark.parametrize(
    ("streamed", "fields"),
    [
        (False, {"enabled": True}),
        (True, {"enabled": False}),
        (True, {"enabled": True, "groups": {"worker"}}),
    ],
)
def test_of_a_run_whose_success_nobody_heard_nothing_is_said_at_all(main, streamed, fields):
    vars(main.eventer).update(fields)
    know("late", streamed=streamed)

    main.receive("late")

    assert main.eventer.sent == []


@pytest.mark.django_db(transaction=True)
def test_the_messages_of_runs_claimed_in_a_batch_come_late(main, fake_broker, settings):
    settings.NEURAL = {"batch_claim_seconds": 60}
    own, *others = (run.task_id for run in submitted(3))

    deliver(own)

    for task_id in (own, *others):
        main.receive(task_id)
    assert (main.acknowledged, main.dispatched) == (others, [own])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("listened", [True, False])
def test_it_is_known_of_each_run_whether_its_success_was_told(
    main, fake_broker, monkeypatch, listened
):
    monkeypatch.setattr(delivery, "send_events", lambda *_, **__: None)
    own, other = (run.task_id for run in submitted(2))

    deliver(own, **{delivery.LISTENED: listened})

    assert delivery._done.recall(other).streamed is listened


@pytest.mark.django_db(transaction=True)
def test_a_run_batched_that_did_not_succeed_keeps_its_message(main, fake_broker):
    """It runs again under this id."""
    own, bad = (run.task_id for run in submitted(2))
    payload = {"key": "bad", "permanent": True}
    NeuralEvent.objects.filter(runs__task_id=bad).update(payload=payload)

    deliver(own)

    assert TaskRun.objects.get(task_id=bad).state == RunState.DEAD
    main.receive(bad)
    assert main.dispatched == [bad]


@pytest.mark.django_db
def test_what_is_not_committed_is_not_known_as_done(main, fake_broker):
    own, other = (run.task_id for run in submitted(2))

    deliver(own)  # in this test's transaction

    main.receive(other)
    assert main.dispatched == [other]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("number", "more"), [(2, False), (3, True), (4, True)])
def test_a_full_delivery_expects_more(main, fake_broker, settings, monkeypatch, number, more):
    monkeypatch.setattr(Delivery, "_has_time", lambda delivery: False)
    settings.NEURAL = {"batch_claim_runs": 3, "batch_claim_seconds": 60}
    own, *_ = submitted(number)

    deliver(own.task_id)

    assert delivery._done.expects_more(f"{QUEUE} ") is more


@pytest.mark.django_db(transaction=True)
def test_a_run_that_is_done_by_itself_says_nothing_of_what_is_due(main, fake_broker):
    delivery.note_more(QUEUE, True)
    own, *_ = submitted(3)
    TaskRun.objects.filter(pk=own.pk).update(losses=1)

    deliver(own.task_id)

    assert delivery._done.expects_more(f"{QUEUE} ")


@pytest.mark.django_db(transaction=True)
def test_the_late_message_of_a_task_says_nothing_of_the_events_that_are_due(main):
    with delivered(tasks.count, "nobody's", queue=QUEUE) as task, pytest.raises(Ignore):
        task()

    assert not delivery._done.expects_more(f"{QUEUE} ")


@pytest.mark.services
def test_a_process_that_is_no_worker_remembers_nothing(monkeypatch):
    monkeypatch.setattr(delivery, "_done", None)
    delivery.note_more(QUEUE, True)
    delivery.note([], streamed=False)

    assert delivery._done is None
