"""The embedded broker: durable, private, and never left behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from tests.watching import is_alive, wait_until
from zhilian.supervision.embedded import BrokerAlreadyRunning, EmbeddedBroker, answers

pytestmark = [pytest.mark.integration, pytest.mark.once]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker(tmp_path):
    with EmbeddedBroker(tmp_path / "broker") as started:
        yield started


def client(broker: EmbeddedBroker) -> redis.Redis:
    return redis.Redis(unix_socket_path=str(broker.socket), db=1, socket_timeout=30)


def test_it_opens_no_tcp_port_and_a_socket_for_its_user_alone(broker):
    with client(broker) as connection:
        assert connection.info("server")["tcp_port"] == 0
    assert broker.socket.stat().st_mode & 0o077 == 0


def test_it_refuses_messages_when_full_instead_of_dropping_others(broker):
    with client(broker) as connection:
        assert connection.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}


@pytest.mark.quick
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_what_it_holds_survives_a_restart(broker, end):
    with client(broker) as connection:
        connection.set("key", "value")

    getattr(broker, end)()
    broker.start()

    with client(broker) as connection:
        assert connection.get("key") == b"value"


def test_a_wipe_leaves_nothing(broker):
    with client(broker) as connection:
        connection.set("key", "value")

    broker.wipe()

    with client(broker) as connection:
        assert connection.get("key") is None


def test_a_frozen_one_does_not_answer_until_it_is_thawed(broker):
    broker.freeze()
    assert not answers(broker.socket)

    broker.thaw()
    wait_until(lambda: answers(broker.socket))


def test_a_frozen_one_can_be_stopped(broker):
    broker.freeze()

    broker.stop()

    assert broker.pid is None


def test_a_second_one_on_the_same_directory_is_refused(broker):
    with pytest.raises(BrokerAlreadyRunning, match="already serves"):
        EmbeddedBroker(broker.directory).start()

    wait_until(lambda: answers(broker.socket))


def test_celery_understands_its_url_in_a_directory_with_any_name(tmp_path):
    from celery import Celery

    with (
        EmbeddedBroker(tmp_path / "店 ?a") as broker,
        Celery(broker=broker.url, set_as_current=False).connection() as it,
    ):
        it.ensure_connection(max_retries=1)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_parent_however_that_ends(tmp_path, number):
    code = (
        "import pathlib, sys, time; from zhilian.supervision.embedded import EmbeddedBroker\n"
        f"broker = EmbeddedBroker(pathlib.Path({str(tmp_path)!r})); broker.start()\n"
        "print(broker.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        server = int(parent.stdout.readline())
        assert is_alive(server)

        parent.send_signal(number)

    wait_until(lambda: not is_alive(server))
