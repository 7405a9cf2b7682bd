"""What a worker does with one message, seen from the task that it calls."""

from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from celery.exceptions import Ignore, Reject, Retry
from django.db import OperationalError
from django.db.models.functions import Now

import neural
from neural.broker.message import RUN_HEADER, options_of
from neural.celeryapp import plain_clients as foreign_messages
from neural.celeryapp.signalling import as_celery_sees_it
from neural.ledger import execute, record
from neural.ledger.batch import run_claimed
from neural.ledger.outcome import Outcome
from neural.ledger.work import works_on_history
from neural.ledger.work_errors import AttemptFailed, describe
from neural.models import RunState, TaskRun
from neural.tasks import process_neural_event
from neural.worker.delivery import Delivery
from tests.probe import canvas, tasks
from tests.probe.acting import Failing
from tests.probe.models import Effect
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db


@contextmanager
def delivered(task, task_id, *, foreign=False, queue="default", priority=0, **message):
    """As if a worker had received this message."""
    header = {} if foreign else {RUN_HEADER: True}
    delivery = {"routing_key": queue, "exchange": queue, "priority": priority}
    what = {"id": task_id, "called_directly": False, "delivery_info": delivery}
    what |= {"args": (), "kwargs": {}}
    task.push_request(**what, **header, **message)
    try:
        yield task
    finally:
        task.pop_request()


@pytest.fixture
def hurried(monkeypatch):
    """A message's time is up after its first claim."""
    monkeypatch.setattr(Delivery, "_has_time", lambda delivery: False)


def ask(**order):
    return make_run(task="probe.count", kwargs={"key": "k", **order})


def submitted(count, **payload):
    for number in range(count):
        key = f"e{number}"
        neural.submit(
            type="probe.counted",
            store="S1",
            source="test",
            event_id=key,
            payload={"key": key, **payload},
        ).or_raise()
    return list(TaskRun.objects.order_by("pk"))


def test_what_is_done_comes_from_the_ledger_and_not_from_the_message(fake_broker):
    run = ask(result="from the row")

    with delivered(tasks.count, run.task_id) as task:
        assert task(key="from the message") == "from the row"

    assert Effect.counts() == {"k": 1}


def test_a_late_message_does_nothing(fake_broker):
    run = ask()
    with delivered(tasks.count, run.task_id) as task:
        task()

        with pytest.raises(Ignore, match="late message"):
            task()

    assert Effect.counts() == {"k": 1}


def test_celery_sees_a_failed_attempt_as_a_retry_with_its_time(fake_broker):
    run = ask(fail_times=1)

    with delivered(tasks.count, run.task_id) as task, pytest.raises(Retry) as raised:
        task()

    assert isinstance(raised.value.exc, Failing)
    assert raised.value.when == TaskRun.objects.get().available_at


def test_celery_sees_a_dead_run_as_the_failure_that_it_is(fake_broker):
    run = ask(permanent=True)

    with delivered(tasks.count, run.task_id) as task, pytest.raises(neural.kit.errors.NeuralError):
        task()

    assert TaskRun.objects.get().state == RunState.DEAD


def test_a_plain_clients_message_is_recorded_and_run(fake_broker):
    with delivered(tasks.count, "foreign", foreign=True) as task:
        assert task(key="k") == "done"

    run = TaskRun.objects.get()
    assert (run.task_id, run.state, run.queue) == ("foreign", RunState.SUCCEEDED, "default")


def test_a_plain_clients_message_that_comes_twice_runs_once(fake_broker):
    with delivered(tasks.count, "foreign", foreign=True) as task:
        task(key="k")
        with pytest.raises(Ignore):
            task(key="k")

    assert Effect.counts() == {"k": 1}


def test_a_plain_clients_message_goes_back_while_the_database_is_away(fake_broker, monkeypatch):
    """Nothing else knows of it yet."""

    def away(**_):
        raise OperationalError("the database is away")

    monkeypatch.setattr(record, "record_foreign", away)
    broken = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(foreign_messages.dialects, "ledger_connection", lambda: broken)
    monkeypatch.setattr(foreign_messages, "FOREIGN_PAUSE_SECONDS", 0)

    with delivered(tasks.count, "foreign", foreign=True) as task, pytest.raises(Reject) as raised:
        task(key="k")

    assert raised.value.requeue


def test_a_plain_clients_event_is_submitted(fake_broker):
    event = {"event_id": "1", "event_type": "probe.counted", "event_source": "till"}
    with delivered(process_neural_event, "foreign", foreign=True) as task:
        verdict = task(**event, store_id="S1", data={"key": "k"}, priority=10)

    assert verdict == "new"
    assert TaskRun.objects.get(handler="probe.count").priority == 10


def test_one_message_brings_its_worker_to_what_else_is_due(fake_broker, settings):
    settings.NEURAL = {"batch_claim_seconds": 60}
    runs = submitted(10)

    with delivered(process_neural_event, runs[3].task_id) as task:
        assert task() == "done"

    assert len(Effect.counts()) == 10


def test_what_was_batched_but_not_begun_is_sent_again(fake_broker, settings):
    """Its messages may be gone: one came for all of them."""
    settings.NEURAL = {"batch_claim_seconds": 0.000001}
    runs = submitted(3)

    with delivered(process_neural_event, runs[0].task_id) as task:
        task()

    (message,) = fake_broker.sent
    assert message.task_id == runs[1].task_id
    assert TaskRun.objects.filter(state=RunState.PENDING, failures=0, losses=0).count() == 2


def test_beyond_a_full_batch_the_next_gets_a_message(fake_broker, settings, hurried):
    settings.NEURAL = {"batch_claim_runs": 2}
    runs = submitted(3)

    with delivered(process_neural_event, runs[0].task_id) as task:
        task()

    assert [message.task_id for message in fake_broker.sent] == [runs[2].task_id]


def test_beyond_a_full_batch_of_a_late_message_the_next_gets_a_message(
    fake_broker, settings, hurried
):
    """Its own run's slot is not taken."""
    settings.NEURAL = {"batch_claim_runs": 2}
    done, *runs = submitted(3)
    TaskRun.objects.filter(pk=done.pk).update(state=RunState.CANCELLED, finished_at=Now())

    with delivered(process_neural_event, done.task_id) as task, pytest.raises(Ignore):
        task()

    assert len(Effect.counts()) == 1
    assert [message.task_id for message in fake_broker.sent] == [runs[1].task_id]


@pytest.mark.parametrize(("seconds_a_run", "taken"), [(12, 5), (600, 2), (0.1, 9)])
def test_a_claim_takes_as_many_runs_as_fit_in_its_time_and_two_at_least(
    seconds_a_run, taken, hurried, settings
):
    settings.NEURAL = {"batch_claim_seconds": 60}
    execute.learn("default", runs=1, seconds=seconds_a_run)
    runs = submitted(9)

    with delivered(process_neural_event, runs[0].task_id) as task:
        task()

    assert len(Effect.counts()) == taken


def test_where_each_run_goes_by_itself_no_message_is_sent(fake_broker, settings, hurried):
    """Each run has a message of its own."""
    settings.NEURAL = {"batch_claim_runs": 1}
    runs = submitted(3)

    with delivered(process_neural_event, runs[0].task_id) as task:
        task()
        with pytest.raises(Ignore, match="late message"):
            task()

    assert len(Effect.counts()) == 1
    assert fake_broker.sent == []


@pytest.mark.parametrize("runs_a_claim", [1, 2, 100])
def test_a_worker_goes_on_with_what_is_due_while_its_message_has_time(
    fake_broker, settings, runs_a_claim
):
    settings.NEURAL = {"batch_claim_runs": runs_a_claim, "batch_claim_seconds": 60}
    runs = submitted(5)

    with delivered(process_neural_event, runs[0].task_id) as task:
        assert task() == "done"

    assert len(Effect.counts()) == 5
    assert fake_broker.sent == []


def test_runs_by_themselves_are_claimed_one_by_one(settings, monkeypatch):
    settings.NEURAL = {"batch_claim_runs": 1, "batch_claim_seconds": 60}
    first, *_ = submitted(3)
    tokens = []

    def note(source, runs):
        tokens.append([run.token for run in runs])
        return run_claimed(source, runs)

    monkeypatch.setattr("neural.worker.delivery.batch.run_claimed", note)
    with delivered(process_neural_event, first.task_id) as task:
        task()

    assert [len(each) for each in tokens] == [1, 1, 1]


@pytest.mark.parametrize(("queue", "is_history"), [("low_priority", True), ("default", False)])
def test_whether_a_run_is_history_is_known_before_its_transaction_begins(
    fake_broker, monkeypatch, queue, is_history
):
    (run,) = submitted(1)
    TaskRun.objects.update(queue=queue)
    known = []

    def note(source, runs):
        known.append(works_on_history())
        return run_claimed(source, runs)

    monkeypatch.setattr("neural.worker.delivery.batch.run_claimed", note)
    with delivered(process_neural_event, run.task_id, queue=queue) as task:
        task()

    assert known == [is_history]
    assert not works_on_history()


def test_when_nothing_is_left_no_message_is_sent(fake_broker):
    runs = submitted(3)

    with delivered(process_neural_event, runs[0].task_id) as task:
        task()

    assert fake_broker.sent == []


def test_a_neighbours_failure_is_not_this_messages(fake_broker):
    runs = submitted(1)
    neural.submit(
        type="probe.counted",
        store="S1",
        source="test",
        event_id="bad",
        payload={"key": "bad", "permanent": True},
    )

    with delivered(process_neural_event, runs[0].task_id) as task:
        assert task() == "done"

    assert TaskRun.objects.dead().get().event.event_id == "bad"


def test_what_a_plain_clients_message_asks_for_is_kept_and_not_done_twice(fake_broker):
    """Celery itself would start links and chain too, when the task returns."""
    link, rest, error = canvas.note.s("link"), canvas.note.s("chain"), canvas.note.s("error")
    message = {"callbacks": [dict(link)], "errbacks": [dict(error)], "chain": [dict(rest)]}
    message |= {
        "timelimit": [9, 7],
        "root_id": "root",
        "headers": {"trace": "t1", "neural_listened": False},
    }
    with delivered(canvas.add, "foreign", foreign=True, priority=8, **message) as task:
        task(1, 2)
        request = task.request
        assert (request.callbacks, request.errbacks, request.chain) == (None, None, None)

    run = TaskRun.objects.get(task_id="foreign")
    assert (run.priority, run.options["time_limit"], run.options["root_id"]) == (8, 9, "root")
    assert run.options["headers"] == {"trace": "t1"}
    neural.run_due()
    assert Effect.counts() == {"link:3": 1, "chain:3": 1}


def test_a_plain_client_that_waits_for_its_result_has_it_from_every_attempt(fake_broker):
    with delivered(canvas.add, "wants", foreign=True, ignore_result=False) as task:
        task(1, 2)
    with delivered(canvas.add, "does not", foreign=True, ignore_result=None) as task:
        task(1, 2)

    headers = [options_of(run)["headers"] for run in TaskRun.objects.order_by("pk")]
    assert headers == [{"ignore_result": False}, {}]


def test_a_run_with_limits_of_its_own_is_claimed_alone(fake_broker):
    run, *others = submitted(3)
    TaskRun.objects.filter(pk=run.pk).update(options={"time_limit": 5})

    with delivered(process_neural_event, run.task_id) as task:
        task()
    assert len(Effect.counts()) == 1

    TaskRun.objects.filter(pk=others[0].pk).update(options={"time_limit": 5})
    with delivered(process_neural_event, others[1].task_id) as task:
        task()
    assert TaskRun.objects.get(state=RunState.PENDING).pk == others[0].pk


@pytest.mark.parametrize("error", [MemoryError("full"), SystemExit(0), KeyboardInterrupt()])
def test_what_celerys_main_process_would_end_of_it_hears_as_a_plain_failure(error):
    """Wherever it was raised: the outcome in the ledger names it."""
    run = ask()
    outcome = Outcome(
        run=run,
        state=RunState.DEAD,
        started_at=run.created_at,
        finished_at=run.created_at,
        error=describe(error),
        exception=error,
    )

    with pytest.raises(AttemptFailed, match=describe(error)):
        as_celery_sees_it(outcome)
