"""Messages of tasks that this worker has not registered: nothing is lost with them."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.worker.consumer import Consumer
from django.apps import apps
from django.db import OperationalError

from neural.broker.message import RUN_HEADER
from neural.ledger.claim import Claimant
from neural.ledger.record import BY_MESSAGE
from neural.models import RunState, TaskRun
from neural.worker import message_validation
from neural.worker.message_validation import see_to_unknown_tasks
from tests.unit.factories import make_run, make_worker

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

NEW = "app.new_task"
ABSENT = "neural.tasks.tend_search_indexes"


class Message:
    """What became of it is kept."""

    delivery_tag = "1"

    def __init__(self, *args, **headers) -> None:
        self.headers = headers
        self.delivery_info = {"routing_key": "default"}
        self.payload = [args, {}, {}]
        self.body = json.dumps(self.payload)
        self.properties: dict[str, str] = {}
        self.fate: list[str] = []

    def ack_log_error(self, logger, errors) -> None:
        self.fate.append("acknowledged")

    def reject_log_error(self, logger, errors, requeue=False) -> None:
        self.fate.append("given back" if requeue else "rejected")


@pytest.fixture
def comes(monkeypatch) -> Iterator:
    """A message of an unknown task comes to a worker."""
    message_validation.take_unknown_tasks()
    told = SimpleNamespace(backend=SimpleNamespace(mark_as_failure=lambda *a, **k: None))
    consumer = SimpleNamespace(
        app=told,
        connection_errors=(OSError,),
        event_dispatcher=None,
        call_soon=lambda function, *args, **options: function(*args, **options),
    )
    for name in ("error", "dump_body"):
        monkeypatch.setattr(f"celery.worker.consumer.consumer.{name}", lambda *a, **k: None)

    def come(message: Message, task: str = NEW) -> Message:
        Consumer.on_unknown_task(consumer, None, message, KeyError(task))
        return message

    yield come
    message_validation._runs.clear()
    message_validation._held.clear()


def runs_message(run: TaskRun) -> Message:
    return Message(**{"id": run.task_id, "task": NEW, RUN_HEADER: True})


def test_a_runs_message_is_acknowledged_and_its_run_forwarded(comes):
    make_worker(registered={"tasks": {NEW: ""}})
    run = make_run(task=NEW)

    message = comes(runs_message(run))
    see_to_unknown_tasks(Claimant())

    assert message.fate == ["acknowledged"]
    run.refresh_from_db()
    assert (run.state, run.failures, run.losses) == (RunState.PENDING, 0, 0)
    assert run.publish_at == run.available_at > run.started_at
    assert run.error.startswith(f"TaskUnknown: no installed app registers the task '{NEW}'")


def test_a_run_of_a_task_that_nobody_knows_is_dead_after_the_stated_time(comes, settings):
    run = make_run(task=NEW)
    comes(runs_message(run))
    see_to_unknown_tasks(Claimant())
    assert TaskRun.objects.get().state == RunState.PENDING
    TaskRun.objects.get().hurry()
    settings.NEURAL = {"unknown_work_seconds": 0}

    comes(runs_message(run))
    see_to_unknown_tasks(Claimant())

    run.refresh_from_db()
    assert (run.state, run.failures) == (RunState.DEAD, 1)


@pytest.fixture
def without_search(monkeypatch):
    installed = apps.is_installed
    absent = "neural.retrieval"
    monkeypatch.setattr(apps, "is_installed", lambda name: name != absent and installed(name))


@pytest.mark.usefixtures("without_search")
def test_the_dead_letter_of_an_app_that_is_not_installed_says_which_to_add(comes, settings):
    settings.NEURAL = {"unknown_work_seconds": 0}
    run = make_run(task=ABSENT)
    for _ in range(2):
        TaskRun.objects.get().hurry()
        comes(Message(**{"id": run.task_id, "task": ABSENT, RUN_HEADER: True}))
        see_to_unknown_tasks(Claimant())

    run.refresh_from_db()
    assert run.state == RunState.DEAD
    assert run.error == (
        f"TaskUnknown: the task {ABSENT} belongs to the app neural.retrieval, which is not "
        "installed: add 'neural.retrieval' to INSTALLED_APPS"
    )


@pytest.mark.usefixtures("without_search")
def test_the_dead_letter_of_a_message_for_an_app_that_is_not_installed_says_which_to_add(comes):
    message = comes(Message(id="1", task=ABSENT), ABSENT)
    see_to_unknown_tasks(Claimant())

    assert message.fate == ["rejected"]
    letter = TaskRun.objects.get()
    assert (letter.task, letter.queue, letter.state) == (ABSENT, "default", RunState.DEAD)
    assert "add 'neural.retrieval' to INSTALLED_APPS" in letter.error


def test_a_late_message_changes_nothing(comes):
    run = make_run(RunState.SUCCEEDED, task=NEW)

    comes(runs_message(run))
    see_to_unknown_tasks(Claimant())

    assert TaskRun.objects.get().state == RunState.SUCCEEDED


def test_a_plain_clients_message_goes_back_while_a_living_worker_has_the_task(comes):
    make_worker(registered={"tasks": {NEW: ""}})

    message = comes(Message(id="1", task=NEW))
    assert message.fate == []  # it is held, so that it does not come again at once
    see_to_unknown_tasks(Claimant())

    assert message.fate == ["given back"]


def test_a_plain_clients_message_of_a_task_that_nobody_has_is_kept_as_a_dead_letter(comes):
    make_worker(registered={"tasks": {}})

    for _ in range(2):  # also if it comes again, because the worker was lost in between
        message = comes(Message("bob", 2, id="1", task=NEW))
        see_to_unknown_tasks(Claimant())
        assert message.fate == ["rejected"]

    letter = TaskRun.objects.get()
    assert (letter.task_id, letter.task, letter.args) == ("1", NEW, ["bob", 2])
    assert (letter.state, letter.requested_by) == (RunState.DEAD, BY_MESSAGE)
    assert letter.error.startswith(f"TaskUnknown: no installed app registers the task '{NEW}'")
    assert letter.attempts.count() == 1


def test_the_dead_letter_of_a_message_on_an_undeclared_queue_is_on_one_that_is_read(comes):
    message = Message(id="1", task=NEW)
    message.delivery_info = {"routing_key": "celery"}
    comes(message)
    see_to_unknown_tasks(Claimant())

    assert TaskRun.objects.get().queue == "default"


def test_whatever_a_message_of_an_unknown_task_contains_it_is_kept_once_and_rejected(comes):
    message = comes(Message("\x00", id="x" * 300, task=NEW), f"\x00\ud800{NEW * 100}")
    see_to_unknown_tasks(Claimant())

    assert message.fate == ["rejected"]
    letter = TaskRun.objects.get()
    assert (letter.state, len(letter.task)) == (RunState.DEAD, 255)
    assert "\\x00" in letter.kwargs["message"]


def test_a_message_that_celery_cannot_even_drop_is_kept_and_rejected(comes):
    message = comes(Message(task=NEW))  # it has no id
    see_to_unknown_tasks(Claimant())

    assert message.fate == ["rejected"]
    assert TaskRun.objects.get().state == RunState.DEAD


def test_while_the_database_is_away_a_plain_clients_message_is_kept(comes, monkeypatch):
    def away(*args):
        raise OperationalError("away")

    make_worker(registered={"tasks": {NEW: ""}})
    message = comes(Message(id="1", task=NEW))
    with monkeypatch.context() as patch:
        patch.setattr(message_validation.refusing, "somebody", away)
        with pytest.raises(OperationalError):
            see_to_unknown_tasks(Claimant())
    assert message.fate == []

    see_to_unknown_tasks(Claimant())

    assert message.fate == ["given back"]
