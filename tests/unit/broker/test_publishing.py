"""Publishing never makes a caller wait: one failure, then a breaker until the broker is back."""

import json
import threading
from contextlib import contextmanager

import pytest
from celery import Celery, current_app, signals
from django.test.utils import setup_test_environment, teardown_test_environment
from kombu import Connection
from kombu.transport import memory

from neural.broker import message, publisher
from neural.broker.message import ARGSREPR_LENGTH, RunMessage, run_message
from neural.broker.publisher import (
    BrokerUnavailable,
    Publisher,
    is_test_environment,
    publish_quietly,
)
from neural.models import TaskRun
from tests.celery_versions import since_celery_5_7
from tests.watching import wait_until

MESSAGE = RunMessage("id", "probe.count", "default")


class Broker:
    """What a `Publisher` meets: `up` or not, and how often it was asked."""

    def __init__(self):
        self.up = True
        self.attempts = 0
        self.sent = []


@pytest.fixture
def broker(monkeypatch, settings):
    settings.NEURAL = {"publish_probe_seconds": 0.02}
    broker = Broker()

    class Connection:
        def __init__(self):
            broker.attempts += 1

        @property
        def default_channel(self):
            if not broker.up:
                raise OSError("refused")
            return self

        connection = None

        def _size(self, queue):
            if not broker.up:
                raise OSError("gone")
            return 3

        def collect(self, socket_timeout):
            pass

    def send(self, producer, message):
        if not broker.up:
            raise OSError("gone")
        broker.sent.append(message)

    monkeypatch.setattr(publisher, "short_tempered_connection", Connection)
    monkeypatch.setattr(publisher, "Producer", lambda channel, auto_declare: Made(channel))
    monkeypatch.setattr(Publisher, "_send", send)
    until_no_probe_is_left()  # of the tests before
    broker.attempts = 0
    yield broker
    broker.up = True
    until_no_probe_is_left()


def until_no_probe_is_left():
    wait_until(lambda: not any(t.name == "neural-broker-probe" for t in threading.enumerate()))


class Made:
    """A producer."""

    def __init__(self, channel):
        self.channel = self.connection = channel


def test_messages_go_out_over_one_connection(broker):
    sender = Publisher()

    assert sender.publish([MESSAGE, MESSAGE]) == 2
    assert sender.publish([MESSAGE]) == 1

    assert len(broker.sent) == 3
    assert broker.attempts == 1


def test_many_messages_are_one_batch_where_kombu_has_batches(broker, monkeypatch):
    sizes = []

    class Batching(Made):
        @contextmanager
        def batch(self):
            before = len(broker.sent)
            yield
            sizes.append(len(broker.sent) - before)

    monkeypatch.setattr(publisher, "Producer", lambda channel, auto_declare: Batching(channel))

    assert Publisher().publish([MESSAGE] * 3) == 3
    assert sizes == [3]


def test_after_a_failure_nothing_is_tried_until_a_probe_reached_the_broker(broker, monkeypatch):
    sender = Publisher()
    probed = threading.Event()
    monkeypatch.setattr(Publisher, "_probe", lambda self, every: probed.set())
    broker.up = False

    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            sender.publish([MESSAGE])

    assert broker.attempts == 1
    assert sender.breaker_is_open
    assert probed.wait(60)


def test_the_breaker_closes_when_the_broker_is_back(broker):
    sender = Publisher()
    broker.up = False
    with pytest.raises(BrokerUnavailable):
        sender.publish([MESSAGE])
    wait_until(lambda: broker.attempts >= 3)  # so the first probe has found it still away
    assert sender.breaker_is_open

    broker.up = True

    wait_until(lambda: not sender.breaker_is_open)
    assert sender.publish([MESSAGE]) == 1


def test_a_failure_says_how_many_went_out_before(broker, monkeypatch):
    sender = Publisher()

    def two_then_none(self, producer, message):
        if len(broker.sent) == 2:
            broker.up = False
            raise OSError("gone")
        broker.sent.append(message)

    monkeypatch.setattr(Publisher, "_send", two_then_none)
    with pytest.raises(BrokerUnavailable) as raised:
        sender.publish([MESSAGE] * 5)

    assert raised.value.sent == 2


def test_a_queue_that_is_not_configured_opens_no_breaker(broker, monkeypatch):
    monkeypatch.undo()
    sender = Publisher()
    with Connection("memory://") as connection:
        producer = connection.Producer()
        monkeypatch.setattr(Publisher, "_connected", lambda self: producer)

        assert sender.publish([RunMessage("id", "probe.count", "no_such_queue")]) == 0
    assert not sender.breaker_is_open


def test_depths_open_the_breaker_too(broker):
    sender = Publisher()
    assert sender.depths(["default"]) == {"default": 3}

    broker.up = False

    with pytest.raises(BrokerUnavailable):
        sender.depths(["default"])
    assert sender.breaker_is_open


def test_published_quietly_a_failure_is_nobodys_error(broker, monkeypatch):
    monkeypatch.setattr(publisher, "_publisher", Publisher())
    broker.up = False

    publish_quietly([MESSAGE])

    assert publisher.publisher().breaker_is_open


def test_in_djangos_test_environment_nothing_goes_out_unless_it_is_asked_for(
    broker, settings, monkeypatch
):
    monkeypatch.setattr(publisher, "is_test_environment", is_test_environment)

    with pytest.raises(BrokerUnavailable, match="publish_in_tests"):
        Publisher().publish([MESSAGE])
    publish_quietly([MESSAGE])

    assert (broker.attempts, broker.sent) == (0, [])
    settings.NEURAL = {**settings.NEURAL, "publish_in_tests": True}
    assert Publisher().publish([MESSAGE]) == 1


def test_the_environment_is_a_tests_between_djangos_own_setup_and_teardown():
    assert is_test_environment()
    teardown_test_environment()
    try:
        assert not is_test_environment()
    finally:
        setup_test_environment()
    assert is_test_environment()


def test_many_threads_meet_a_lost_broker_once(broker, monkeypatch):
    monkeypatch.setattr(Publisher, "_probe", lambda self, every: None)
    sender = Publisher()
    broker.up = False
    refused = []

    def publish():
        try:
            sender.publish([MESSAGE])
        except BrokerUnavailable:
            refused.append(1)

    threads = [threading.Thread(target=publish) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 8
    assert broker.attempts == 1


def test_a_forked_process_has_a_publisher_of_its_own(monkeypatch):
    mine = publisher.publisher()
    monkeypatch.setattr(publisher, "_publisher", mine)

    publisher._start_afresh()

    assert publisher.publisher() is not mine


# What is in a message


@pytest.fixture
def wire(monkeypatch):
    """A publisher on a broker in memory; `wire.received()` is what lies in the queue."""
    # Kombu keeps these queues for the whole process: other tests may have left messages there.
    monkeypatch.setattr(memory.Channel, "queues", {})
    with Connection("memory://") as connection:
        monkeypatch.setattr(publisher, "short_tempered_connection", lambda: connection)
        yield Wire(connection)


class Wire(Publisher):
    def __init__(self, connection):
        super().__init__()
        self.connection = connection

    def received(self, queue="default"):
        channel = self.connection.default_channel
        messages = iter(lambda: channel.basic_get(queue, no_ack=True), None)
        return list(messages)


def nothing():
    pass


@pytest.fixture
def heavy():
    """A task whose own options Celery writes into its messages, as far as the ledger lets it."""
    options = {"time_limit": 9, "soft_time_limit": 8, "expires": 60}
    task = current_app.task(name="test.heavy", serializer="json", **options)(nothing)
    yield task
    current_app.tasks.unregister(task.name)


OPTIONS = {
    "root_id": "root",
    "parent_id": "parent",
    "group_id": "group",
    "shadow": "shown",
    "headers": {"trace": "t1"},
    "stamped_headers": ["order"],
    "order": "17",
}


@since_celery_5_7("Celery leaves a task's own limits out of its message")
@pytest.mark.parametrize("task", ["probe.count", "test.heavy", "no.such.task"])
@pytest.mark.parametrize("options", [{"root_id": "id"}, {**OPTIONS, "time_limit": 7}])
def test_a_message_is_the_one_that_celery_itself_would_send(wire, heavy, task, options):
    wire.publish([RunMessage("id", task, "default", "shown", options)])
    (ours,) = wire.received()

    headers = {**options.get("headers", {}), "neural_run": True}
    options = {**options, "headers": headers, "expires": None, "priority": None}
    Celery.send_task(
        current_app,
        task,
        task_id="id",
        queue="default",
        producer=wire._producer,
        ignore_result=True,
        argsrepr="shown",
        kwargsrepr="{}",
        **options,
    )
    (celerys,) = wire.received()

    assert ours.headers == celerys.headers
    assert ours.decode() == celerys.decode() == [[], {}, dict.fromkeys(ours.decode()[2])]
    assert (ours.content_type, ours.content_encoding) == ("application/json", "utf-8")
    assert properties(ours) == properties(celerys)


def test_the_arguments_that_a_message_shows_have_personal_data_masked():
    kwargs = {"customer": {"name": "欧阳靖"}, "phone": "13987654321", "order_id": "A-17"}
    run = TaskRun(task_id="id", task="app.call", args=["wang@example.com"], kwargs=kwargs)

    shown = run_message(run).argsrepr

    assert shown == (
        "args=['w***@example.com'] "
        "kwargs={'customer': {'name': '欧**'}, 'phone': '139****4321', 'order_id': 'A-17'}"
    )


def test_a_phone_at_the_end_of_what_a_message_shows_is_masked_before_it_is_cut():
    text = "x" * (ARGSREPR_LENGTH - 30) + " 13987654321"

    shown = run_message(TaskRun(task="app.call", kwargs={"text": text})).argsrepr

    assert len(shown) == ARGSREPR_LENGTH
    assert "1398" not in shown


def test_a_document_that_is_too_long_to_be_masked_whole_is_not_shown_in_part():
    body = json.dumps({"customer": {"name": "欧阳靖"}, "note": "x" * 2000}, ensure_ascii=False)

    shown = run_message(TaskRun(task="app.call", args=[body], kwargs={"order_id": "A-17"})).argsrepr

    assert shown == "args=['…'] kwargs={'order_id': 'A-17'}"


def nested(levels):
    return [nested(levels - 1)] if levels else []


@pytest.mark.parametrize(
    "large",
    [
        list(range(100_000)),
        [""] * 100_000,
        ["x" * 100] * 10_000,
        {f"key {number}": {} for number in range(100_000)},
        {"k" * number: number for number in range(2000)},
        [{"a": [{"b": "x" * 90}] * 50}] * 50,
        nested(400),
        "x" * 1_000_000,
    ],
    ids=lambda large: type(large).__name__,
)
def test_of_large_arguments_only_a_small_part_is_masked(large, monkeypatch):
    masked = []
    monkeypatch.setattr(message, "redacted", lambda part: masked.append(part) or part)
    run = TaskRun(task="app.call", args=[large], kwargs={"large": large})

    shown = run_message(run).argsrepr

    assert [len(repr(part)) < 5000 for part in masked] == [True, True]
    assert "…" in repr(masked)
    assert len(shown) == ARGSREPR_LENGTH or large in (nested(400), "x" * 1_000_000)


def test_small_arguments_are_shown_whole():
    args = [1, 2.5, None, True, "text", {"a": [{"b": {}}]}, []]

    assert run_message(TaskRun(task="app.call", args=args)).argsrepr == f"args={args} kwargs={{}}"


def test_the_message_of_an_events_run_shows_the_handler_alone():
    run = TaskRun(task="neural.tasks.x", handler="neural.record_order", kwargs={"phone": "1"})

    assert run_message(run).argsrepr == "neural.record_order"


def properties(message):
    """Celery writes `argsrepr` and stamps there once more, where nobody reads them."""
    of_this_one = {"delivery_tag"}
    twice = {"argsrepr", "kwargsrepr", "ignore_result", "replaced_task_nesting"}
    return {
        name: value for name, value in message.properties.items() if name not in of_this_one | twice
    }


def test_a_message_has_neither_the_tasks_priority_nor_its_expiry(wire, heavy):
    """Celery would drop it, and nobody would write down that the run has expired."""
    wire.publish([RunMessage("id", "test.heavy", "default")])

    (message,) = wire.received()
    assert message.headers["expires"] is None
    assert "expiration" not in message.properties
    assert message.properties["priority"] == 0
    assert message.headers["timelimit"] == [9, 8]


def test_a_task_id_too_long_for_rabbitmqs_correlation_id_gets_a_short_one_there(wire):
    wire.publish(
        [RunMessage(task_id, "probe.add", "default") for task_id in ("x" * 255, "店" * 255)]
    )

    messages = wire.received()
    assert [message.headers["id"] for message in messages] == ["x" * 255, "店" * 255]
    assert [len(message.properties["correlation_id"]) for message in messages] == [255, 64]


def test_who_watches_celery_publish_sees_each_message(wire):
    """Sentry and OpenTelemetry hook on these signals and put their ids into the headers."""
    seen = []

    def before(sender, headers, **_):
        headers["traceparent"] = "00-1"
        seen.append(("before", sender, headers["id"]))

    def after(sender, headers, **_):
        seen.append(("after", sender, headers["id"]))

    signals.before_task_publish.connect(before)
    signals.after_task_publish.connect(after)
    try:
        wire.publish([MESSAGE])
    finally:
        signals.before_task_publish.disconnect(before)
        signals.after_task_publish.disconnect(after)

    assert seen == [("before", "probe.count", "id"), ("after", "probe.count", "id")]
    (message,) = wire.received()
    assert message.headers["traceparent"] == "00-1"


@since_celery_5_7("Celery looks once who listens to its signals")
def test_a_queue_is_declared_once_a_connection(wire):
    declared = []

    def before(declare, **_):
        declared.append([queue.name for queue in declare])

    signals.before_task_publish.connect(before)
    try:
        wire.publish([MESSAGE, MESSAGE, RunMessage("id", "probe.count", "low_priority")])
        wire.close()
        wire.publish([MESSAGE])
    finally:
        signals.before_task_publish.disconnect(before)

    assert declared == [["default"], [], ["low_priority"], ["default"]]


def test_whatever_befalls_the_probe_it_asks_again(broker, settings, monkeypatch):
    answers = iter([RuntimeError("no connection could be made"), None])

    def ask():
        answer = next(answers)
        if answer:
            raise answer

    monkeypatch.setattr(publisher, "_ask_whether_it_accepts", ask)
    settings.NEURAL = {"publish_probe_seconds": 0.01}
    sender = Publisher()
    sender._give_up(OSError("away"))

    wait_until(lambda: not sender.breaker_is_open)
