"""What kombu's and Celery's own code does with a Redis that refuses, once it is patched."""

from types import SimpleNamespace

import pytest
from celery.worker.consumer import Consumer as CelerysConsumer
from kombu.transport import virtual
from redis import exceptions

from neural.broker import consumer as consumers
from neural.broker.redis import QoS, Transport

FULL = exceptions.OutOfMemoryError("command not allowed")
REFUSALS = [
    FULL,
    exceptions.ReadOnlyError("You can't write"),
    exceptions.NoPermissionError("lpush"),
    exceptions.ResponseError("MISCONF"),
    exceptions.ResponseError("UNBLOCKED instance state changed"),
    exceptions.AuthenticationError("invalid password"),
    exceptions.BusyLoadingError("loading"),
    exceptions.ConnectionError("max number of clients reached"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
def test_whatever_redis_refuses_is_a_lost_connection(refusal):
    assert isinstance(refusal, Transport.connection_errors)


class Channel:
    """Of a server that refuses; `delivered` as kombu keeps it."""

    def __init__(self, error):
        self.error = error
        self.unacked_key = self.unacked_index_key = ""

    def conn_or_acquire(self, client=None):
        raise self.error


def taken(error) -> QoS:
    qos = QoS(Channel(error), prefetch_count=1)
    message = SimpleNamespace(delivery_info={"exchange": "", "routing_key": "default"})
    virtual.QoS.append(qos, message, "tag")
    assert not qos.can_consume()
    return qos


def test_a_message_that_a_full_redis_cannot_note_as_taken_is_worked_on():
    qos = QoS(Channel(FULL), prefetch_count=1)
    message = SimpleNamespace(delivery_info={"exchange": "", "routing_key": "default"})

    qos.append(message, "tag")

    assert qos.get("tag") is message


def test_a_message_is_not_taken_for_noted_when_the_connection_is_lost():
    qos = QoS(Channel(exceptions.ConnectionError("gone")), prefetch_count=1)
    message = SimpleNamespace(delivery_info={"exchange": "", "routing_key": "default"})

    with pytest.raises(exceptions.ConnectionError):
        qos.append(message, "tag")


@pytest.mark.parametrize("error", [FULL, exceptions.ConnectionError("gone")], ids=str)
@pytest.mark.parametrize(
    "settle", [lambda it: it.ack("tag"), lambda it: it.reject("tag", requeue=True)]
)
def test_an_acknowledgement_that_fails_keeps_no_seat(error, settle):
    qos = taken(error)

    with pytest.raises(type(error)):
        settle(qos)

    assert qos.can_consume()


# The wait


@pytest.fixture
def pauses(monkeypatch):
    seen: list[float] = []
    monkeypatch.setattr(consumers.time, "sleep", seen.append)
    return seen


class Connection:
    connection_errors = (exceptions.RedisError,)
    default_channel = SimpleNamespace(connection=SimpleNamespace(driver_type="redis"))
    transport_options: dict = {}

    def collect(self, socket_timeout):
        pass

    def release(self):
        pass


def answering(monkeypatch, *answers):
    """A server that answers so to one look after the other."""
    waiting = list(answers)

    def look(channel):
        if error := waiting.pop(0):
            raise error

    monkeypatch.setattr(consumers, "must_accept", look)
    monkeypatch.setattr(
        CelerysConsumer, "connection_for_read", lambda self, heartbeat=None: Connection()
    )
    return object.__new__(consumers.Consumer)


def test_a_worker_waits_until_redis_takes_a_message_and_says_so_once(monkeypatch, pauses, caplog):
    consumer = answering(monkeypatch, FULL, FULL, FULL, None)

    assert isinstance(consumer.connection_for_read(), Connection)

    assert pauses == [consumers.PAUSE_SECONDS] * 3
    assert caplog.text.count("event=broker_refuses") == 1


def test_a_worker_that_is_stopped_while_it_waits_stops(monkeypatch, pauses):
    consumer = answering(monkeypatch, FULL)

    def stop():
        raise SystemExit(0)

    monkeypatch.setattr(consumers, "maybe_shutdown", stop)

    with pytest.raises(SystemExit):
        consumer.connection_for_read()


def test_a_connection_that_is_lost_at_once_again_and_again_is_no_hot_loop(monkeypatch, pauses):
    consumer = answering(monkeypatch, None, None)

    consumer.connection_for_read()
    assert pauses == []
    consumer.connection_for_read()

    assert pauses == [consumers.PAUSE_SECONDS]


def test_a_workers_own_events_are_not_waited_for(monkeypatch):
    connection = Connection()
    connection.transport_options = {"confirm_publish": True}
    consumer = object.__new__(consumers.Consumer)
    consumer.app = SimpleNamespace(connection_for_write=lambda url, heartbeat: connection)
    monkeypatch.setattr(consumer, "ensure_connected", lambda it: it)

    made = consumer.connection_for_write()

    assert made.transport_options["confirm_publish"] is False
    assert made.transport_options["write_timeout"] == consumers.EVENT_SECONDS
