"""`manage.py doctor` says in which way a broker refuses, and what to do about that."""

from contextlib import contextmanager

import pytest
from amqp.exceptions import AccessRefused
from django.utils import translation
from redis import exceptions

from neural.broker.connections import must_accept, short_tempered_connection
from neural.health import Status, messages
from neural.health.broker import CURES, WHY, BrokerFacts, Cause, cause_of, cause_of_refusal
from neural.health.situation import Situation
from tests import refusing
from tests.unit.health.doctoring import client_of, is_found, set_broker
from zhilian.supervision.embedded import EmbeddedBroker

pytestmark = pytest.mark.services

SAID = {
    exceptions.OutOfMemoryError("command not allowed"): Cause.MEMORY,
    exceptions.ReadOnlyError("You can't write"): Cause.REPLICA,
    exceptions.MasterDownError("Link with MASTER is down"): Cause.REPLICA,
    exceptions.AuthenticationError("invalid username-password pair"): Cause.LOGIN,
    AccessRefused("ACCESS_REFUSED"): Cause.LOGIN,
    exceptions.NoPermissionError("no permissions to run the 'lpush' command"): Cause.FORBIDDEN,
    exceptions.BusyLoadingError("loading the dataset"): Cause.LOADING,
    exceptions.ResponseError("MISCONF Errors writing to the AOF file"): Cause.DISK,
    exceptions.ResponseError("NOREPLICAS Not enough good replicas"): Cause.FEW_REPLICAS,
    exceptions.ConnectionError("max number of clients reached"): Cause.CLIENTS,
    ConnectionRefusedError("refused"): Cause.UNREACHABLE,
}


@pytest.mark.parametrize(("error", "cause"), SAID.items())
def test_each_refusal_is_told_by_what_the_broker_says(error, cause):
    wrapped = OSError("library error")
    wrapped.__cause__ = error

    assert cause_of(error) == cause_of(wrapped) == cause


def test_silence_after_a_message_is_rabbitmqs_alarm_and_the_unknown_is_a_refusal():
    assert cause_of_refusal(TimeoutError()) == Cause.ALARM
    assert cause_of_refusal(exceptions.ResponseError("WRONGTYPE")) == Cause.OTHER


@pytest.mark.parametrize("cause", [each for each in Cause if each != Cause.UNREACHABLE])
def test_every_cause_has_its_words_and_its_cure(cause):
    situation = Situation()
    situation.broker = BrokerFacts(address="redis://", refusal="NO", cause=cause)

    finding = messages.broker(situation)

    assert is_found(finding, Status.PROBLEM, str(WHY[cause]), "NO", str(CURES[cause]))


def test_a_rabbitmq_that_is_gone_is_not_cured_by_starting_redis(monkeypatch):
    set_broker(monkeypatch, "amqp://guest:guest@127.0.0.1:1//")

    assert is_found(
        messages.broker(Situation()), Status.PROBLEM, "nothing is lost", "start rabbitmq-server"
    )


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    with EmbeddedBroker(tmp_path_factory.mktemp("refusals")) as started:
        yield started


@pytest.fixture
def broker(embedded, monkeypatch, settings):
    with client_of(embedded, monkeypatch, settings) as client:
        yield client


@contextmanager
def held_to_reading(broker):
    broker.execute_command("ACL", "SETUSER", "default", "-@write")
    yield
    broker.execute_command("ACL", "SETUSER", "default", "+@all")


REFUSING = {
    "maxmemory": (refusing.full, "memory is full"),
    "replica": (refusing.replica, "read-only replica"),
    "disk": (refusing.disk_full, "cannot write its file"),
    "few replicas": (refusing.too_few_replicas, "fewer replicas"),
    "access list": (held_to_reading, "access list forbids"),
}


@pytest.mark.parametrize("name", REFUSING)
def test_a_redis_that_refuses_is_told_from_one_that_is_away(broker, name):
    fault, words = REFUSING[name]

    with fault(broker):
        finding = messages.broker(Situation())

    assert finding.status == Status.PROBLEM
    assert words in finding.found
    assert "systemctl start" not in finding.remedy
    assert messages.broker(Situation()).status == Status.OK


def test_what_a_refusing_redis_holds_is_told_all_the_same(broker):
    with refusing.too_few_replicas(broker):
        assert messages.durability(Situation()).status == Status.OK
        assert Situation().broker.refusal


def test_asking_whether_messages_are_taken_leaves_nothing_behind(broker):
    broker.flushdb()
    with short_tempered_connection() as connection:
        must_accept(connection.default_channel)

    assert broker.keys("*") == []


def test_nothing_is_asked_of_a_transport_that_is_neither(monkeypatch):
    set_broker(monkeypatch, "memory://")

    with short_tempered_connection() as connection:
        must_accept(connection.default_channel)


def test_in_chinese_the_broker_itself_is_still_quoted():
    situation = Situation()
    situation.broker = BrokerFacts(address="redis://", refusal="READONLY x", cause=Cause.REPLICA)

    with translation.override("zh-hans"):
        assert "READONLY x" in messages.broker(situation).found
