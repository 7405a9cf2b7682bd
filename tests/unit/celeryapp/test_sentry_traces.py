"""Sentry: runs are in the trace of who sent them, and each dead run is one error event."""

import logging

import pytest
from billiard.pool import Worker
from celery import Celery, Task, current_app
from celery.app import trace
from kombu import Producer

import neural
from neural.broker.message import run_message, send
from neural.ledger import execute, ports
from neural.ledger.settle import mark_lost
from neural.models import RunState, TaskRun
from neural.monitoring.errors.sentry import report
from neural.monitoring.machines.sentry import Sentry
from neural.monitoring.models import ErrorGroup
from neural.worker.in_turn import pace_of
from tests.unit.celeryapp.canvas import ledger_task, run_all
from tests.unit.factories import ago, make_run

sentry_sdk = pytest.importorskip("sentry_sdk")
from sentry_sdk.integrations import _processed_integrations  # noqa: E402
from sentry_sdk.integrations.celery import CeleryIntegration  # noqa: E402
from sentry_sdk.integrations.logging import LoggingIntegration  # noqa: E402

pytestmark = pytest.mark.django_db

QUICK = 0.0001


class Sent(list):
    """What Sentry's SDK would send."""

    def keep(self, event, hint):
        self.append(event)

    @property
    def transactions(self):
        return {each["transaction"]: each for each in self if each.get("type") == "transaction"}

    @property
    def errors(self):
        return [each for each in self if each.get("type") != "transaction"]


@pytest.fixture
def sentry(monkeypatch, fake_broker):
    """Set up with its integrations of Celery and logging, which change both for good."""
    changed = [(trace, "build_tracer"), (Task, "apply_async"), (Celery, "send_task")]
    changed += [(Worker, "workloop"), (Producer, "publish"), (logging.Logger, "callHandlers")]
    for where, name in changed:
        monkeypatch.setattr(where, name, getattr(where, name))
    monkeypatch.setattr(ports, "tracing", (Sentry(),))
    processed = set(_processed_integrations)
    sent = Sent()
    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        before_send=sent.keep,
        before_send_transaction=sent.keep,
        default_integrations=False,
        enable_backpressure_handling=False,  # its thread would sleep on, into other tests
        integrations=[CeleryIntegration(), LoggingIntegration()],
    )
    with sentry_sdk.isolation_scope(), sentry_sdk.new_scope():
        yield sent
    sentry_sdk.init(default_integrations=False)
    _processed_integrations.intersection_update(processed)


@pytest.fixture
def greet():
    """A task, quick enough for runs to be executed in turn."""

    def greet(whom="you"):
        if whom == "nobody":
            raise LookupError("nobody is here")
        if whom == "later":
            raise neural.Snooze(60)

    with ledger_task(greet, retry_policy=neural.RetryPolicy(max_retries=0)) as task:
        execute.learn(pace_of(task.name, ""), runs=1, seconds=QUICK)
        yield task


@pytest.fixture
def caller():
    """The transaction of who sends."""
    with sentry_sdk.start_transaction(name="the caller", op="http.server") as transaction:
        yield transaction


def deliver(run: TaskRun) -> None:
    """Do what a worker does with the run's message, from the publisher's call on."""
    message = run_message(run)
    with current_app.connection_for_write("memory://") as connection:
        send(connection.Producer(), message, declare=True, tells=False)
        arrived = current_app.amqp.queues[message.queue](connection).get(no_ack=True)
    task = current_app.tasks[run.task]
    do = trace.build_tracer(task.name, task, app=current_app, propagate=False)
    request = {**arrived.headers, "delivery_info": {"routing_key": run.queue}, "args": []}
    do(run.task_id, [], {}, request)


def the_run(**fields) -> TaskRun:
    return TaskRun.objects.get(**fields)


def context(event):
    return event["contexts"]["trace"]


def test_a_run_is_a_transaction_whose_parent_is_the_span_that_sent_it(sentry, greet, caller):
    greet.delay()
    deliver(the_run())
    caller.finish()

    (span,) = [
        span
        for span in sentry.transactions["the caller"]["spans"]
        if span["op"] == "queue.submit.celery"
    ]
    run = context(sentry.transactions[greet.name])
    assert span["description"] == greet.name
    assert (run["trace_id"], run["parent_span_id"]) == (caller.trace_id, span["span_id"])
    assert run["op"] == "queue.task.celery"
    assert run["status"] == "ok"
    assert the_run().state == RunState.SUCCEEDED


def test_a_run_that_another_message_led_to_is_a_transaction_of_its_own(sentry, greet):
    traces = []
    for whom in ("you", "me", "nobody"):
        with sentry_sdk.start_transaction(name=f"for {whom}") as transaction:
            greet.delay(whom)
            traces.append(transaction.trace_id)
    first, *_ = TaskRun.objects.order_by("pk")
    deliver(first)

    done = [each for each in sentry if each.get("transaction") == greet.name]
    assert [context(each)["trace_id"] for each in done if "spans" in each] == [
        *traces[1:],
        traces[0],
    ]
    (error,) = sentry.errors
    assert context(error)["trace_id"] == traces[2]
    assert error["tags"]["celery_task_id"] == the_run(state=RunState.DEAD).task_id
    assert error["exception"]["values"][-1]["value"] == "nobody is here"


def test_a_dead_run_is_one_event_also_beside_its_log_line(sentry, greet, caller):
    greet.delay("nobody")
    deliver(the_run())

    (error,) = sentry.errors
    assert context(error)["trace_id"] == caller.trace_id
    assert error["tags"]["celery_task_id"] == the_run().task_id
    assert context(sentry.transactions[greet.name])["status"] == "internal_error"


def test_a_run_that_is_retried_is_no_event(sentry):
    def fail():
        raise LookupError("nobody is here")

    policy = neural.RetryPolicy(max_retries=1, base_seconds=1, cap_seconds=1)
    with ledger_task(fail, retry_policy=policy) as task:
        task.delay()
        deliver(the_run())
        assert sentry.errors == []
        TaskRun.objects.update(available_at=ago())
        deliver(the_run())

    (error,) = sentry.errors
    assert error["exception"]["values"][-1]["type"] == "LookupError"


@pytest.mark.parametrize("whom", ["you", "later"])
def test_what_is_not_wrong_is_no_event(sentry, greet, whom):
    for _ in range(2):
        greet.delay(whom)
    deliver(TaskRun.objects.first())

    assert sentry.errors == []
    found = [context(each)["status"] for each in sentry]
    assert found == ["ok", "ok"] if whom == "you" else ["aborted", "aborted"]


def test_errors_that_the_task_expects_are_no_events(sentry):
    def fail():
        raise LookupError("nobody is here")

    policy = neural.RetryPolicy(max_retries=0)
    with ledger_task(fail, retry_policy=policy, throws=(LookupError,)) as task:
        execute.learn(pace_of(task.name, ""), runs=1, seconds=QUICK)
        for _ in range(2):
            task.delay()
        deliver(TaskRun.objects.first())

    assert sentry.errors == []
    assert TaskRun.objects.filter(state=RunState.DEAD).count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_run_that_kills_its_process_each_time_is_one_event(sentry, greet, caller):
    greet.delay()
    run = make_run(options=the_run().options, state=RunState.RUNNING, token=7, losses=2)
    mark_lost([run], max_losses=3, why="its process died")

    (error,) = sentry.errors
    assert error["message"] == "its process died; given up as poison after 3 lost deliveries"
    assert context(error)["trace_id"] == caller.trace_id


def test_an_event_belongs_to_the_trace_with_all_of_its_handlers(sentry, caller):
    neural.submit(
        type="inventory.updated",
        store="S01",
        source="pos",
        event_id="1",
        payload={"item": "flour", "level": 3},
    )
    run_all()
    caller.finish()

    runs = [each for each in sentry if context(each)["op"] == "queue.task.celery"]
    assert {each["transaction"] for each in runs} == {
        run.work_name for run in TaskRun.objects.all()
    }
    assert {context(each)["trace_id"] for each in runs} == {caller.trace_id}


def test_error_groups_are_not_sent_beside_the_events_of_runs(sentry):
    group = ErrorGroup(fingerprint="f1", exception="app.Lost", first_at=ago(), last_at=ago())
    report([group])

    assert sentry == []


def test_without_the_integration_nothing_is_kept_or_sent(sentry, greet):
    sent = Sent()
    sentry_sdk.init(
        "http://key@127.0.0.1:9/1",
        traces_sample_rate=1.0,
        before_send=sent.keep,
        before_send_transaction=sent.keep,
        default_integrations=False,
        enable_backpressure_handling=False,
    )
    greet.delay("nobody")
    assert the_run().options.get("headers") is None
    deliver(the_run())

    assert sent == []


def test_a_batch_of_one_call_has_no_transaction_of_one_run(sentry):
    with ports.processing([make_run(task_id="a"), make_run(task_id="b")]):
        assert sentry_sdk.get_current_span() is None
