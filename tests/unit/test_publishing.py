"""Publishing never makes a caller wait: one failure, then a breaker until the broker is back."""

import threading
import time

import pytest
from kombu import Connection

from neural.runs import publishing
from neural.runs.publishing import BrokerUnavailable, Publisher, Ring, publish_quietly
from tests.watching import wait_until

RING = Ring("id", "probe.count", "default")


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

    def send(self, producer, ring):
        if not broker.up:
            raise OSError("gone")
        broker.sent.append(ring)

    monkeypatch.setattr(publishing, "short_tempered_connection", Connection)
    monkeypatch.setattr(publishing, "Producer", lambda channel, auto_declare: Made(channel))
    monkeypatch.setattr(Publisher, "_send", send)
    yield broker
    broker.up = True
    wait_until(lambda: not any(t.name == "neural-broker-probe" for t in threading.enumerate()))


class Made:
    """A producer."""

    def __init__(self, channel):
        self.channel = self.connection = channel


def test_messages_go_out_over_one_connection(broker):
    sender = Publisher()

    assert sender.publish([RING, RING]) == 2
    assert sender.publish([RING]) == 1

    assert len(broker.sent) == 3
    assert broker.attempts == 1


def test_after_a_failure_nothing_is_tried_until_a_probe_reached_the_broker(broker, monkeypatch):
    sender = Publisher()
    probed = threading.Event()
    monkeypatch.setattr(Publisher, "_probe", lambda self: probed.set())
    broker.up = False

    for _ in range(5):
        with pytest.raises(BrokerUnavailable):
            sender.publish([RING])

    assert broker.attempts == 1
    assert sender.breaker_is_open
    assert probed.wait(5)


def test_the_breaker_closes_when_the_broker_is_back(broker):
    sender = Publisher()
    broker.up = False
    with pytest.raises(BrokerUnavailable):
        sender.publish([RING])
    time.sleep(0.1)
    assert sender.breaker_is_open

    broker.up = True

    wait_until(lambda: not sender.breaker_is_open)
    assert sender.publish([RING]) == 1


def test_a_failure_says_how_many_went_out_before(broker, monkeypatch):
    sender = Publisher()

    def two_then_none(self, producer, ring):
        if len(broker.sent) == 2:
            broker.up = False
            raise OSError("gone")
        broker.sent.append(ring)

    monkeypatch.setattr(Publisher, "_send", two_then_none)
    with pytest.raises(BrokerUnavailable) as raised:
        sender.publish([RING] * 5)

    assert raised.value.sent == 2


def test_a_queue_that_is_not_configured_opens_no_breaker(broker, monkeypatch):
    monkeypatch.undo()
    sender = Publisher()
    with Connection("memory://") as connection:
        producer = connection.Producer()
        monkeypatch.setattr(Publisher, "_connected", lambda self: producer)

        assert sender.publish([Ring("id", "probe.count", "no_such_queue")]) == 0
    assert not sender.breaker_is_open


def test_depths_open_the_breaker_too(broker):
    sender = Publisher()
    assert sender.depths(["default"]) == {"default": 3}

    broker.up = False

    with pytest.raises(BrokerUnavailable):
        sender.depths(["default"])
    assert sender.breaker_is_open


def test_published_quietly_a_failure_is_nobodys_error(broker, monkeypatch):
    monkeypatch.setattr(publishing, "_publisher", Publisher())
    broker.up = False

    publish_quietly([RING])

    assert publishing.publisher().breaker_is_open


def test_many_threads_meet_a_lost_broker_once(broker, monkeypatch):
    monkeypatch.setattr(Publisher, "_probe", lambda self: None)
    sender = Publisher()
    broker.up = False
    refused = []

    def publish():
        try:
            sender.publish([RING])
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
    mine = publishing.publisher()
    monkeypatch.setattr(publishing, "_publisher", mine)

    publishing._start_afresh()

    assert publishing.publisher() is not mine
