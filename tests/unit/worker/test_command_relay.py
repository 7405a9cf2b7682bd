"""`manage.py relay`: one turn, or turns until it is told to stop."""

import signal
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from neural.broker import publisher
from neural.broker.publisher import BrokerUnavailable
from neural.models import ProcessKind, RunState, TaskRun, WorkerProcess
from neural.worker import relay
from neural.worker.relay import RelayReport, StandingRelay
from tests.unit.factories import ago, make_run, make_worker

pytestmark = pytest.mark.django_db


class Doorbell:
    """A broker that takes everything, or nothing."""

    def __init__(self) -> None:
        self.fake_broker: list[str] = []
        self.breaker_is_open = False

    def depths(self, queues):
        if self.breaker_is_open:
            raise BrokerUnavailable("gone")
        return dict.fromkeys(queues, 0)

    def publish(self, messages):
        self.fake_broker += [message.task_id for message in messages]


@pytest.fixture
def doorbell(monkeypatch):
    bell = Doorbell()
    monkeypatch.setattr(publisher, "_publisher", bell)
    return bell


@pytest.fixture(autouse=True)
def one_connection(monkeypatch):
    """The relay would renew its connection, and with it lose the test's transaction."""
    monkeypatch.setattr("neural.worker.relay.be_impatient", lambda: None)
    monkeypatch.setattr(relay.connections, "close_all", lambda: None)


@pytest.fixture
def sleeps(monkeypatch):
    """Nobody sleeps; the slices that would have been slept."""
    slept: list[float] = []
    now = [0.0]

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(relay.time, "sleep", sleep)
    monkeypatch.setattr(relay.time, "monotonic", lambda: now[0])
    return slept


def lost_run(**fields) -> TaskRun:
    worker = make_worker("silent@host", heartbeat_at=ago(minutes=5))
    return make_run(RunState.RUNNING, worker=worker, started_at=ago(minutes=6), **fields)


def turns(number: int, **options) -> tuple[StandingRelay, list[RelayReport]]:
    """A relay that stops itself after so many turns, and what it reported."""
    reports: list[RelayReport] = []
    standing = StandingRelay(interval=options.pop("interval", 6), on_report=reports.append)
    turn = standing.turn
    taken = []

    def counted():
        taken.append(1)
        if len(taken) == number:
            standing.stop()
        return turn()

    standing.turn = counted  # type: ignore[method-assign]
    return standing, reports


def test_one_turn_publishes_what_is_unpublished_and_starts_lost_runs_again(
    doorbell, sleeps, capsys
):
    unpublished, lost = make_run(task_id="unpublished"), lost_run()

    call_command("relay", "--once")

    lost.refresh_from_db()
    assert lost.state == RunState.PENDING
    assert set(doorbell.fake_broker) == {unpublished.task_id, lost.task_id}
    assert capsys.readouterr().out == (
        "published 2 runs, started 1 lost ones again, gave up 1 workers\n"
    )


def test_one_turn_without_a_broker_ends_with_1_and_says_that_nothing_is_lost(doorbell):
    make_run()
    doorbell.breaker_is_open = True

    with pytest.raises(CommandError, match="Nothing is lost") as end:
        call_command("relay", "--once")

    assert end.value.returncode == 1


def test_one_turn_without_a_database_ends_with_a_sentence(monkeypatch):
    def fail():
        raise OperationalError("connection refused")

    monkeypatch.setattr("neural.worker.commands.relay.relay_once", fail)

    with pytest.raises(CommandError, match="The database did not answer: connection refused"):
        call_command("relay", "--once")


def test_a_pause_that_is_none_is_refused():
    with pytest.raises(CommandError, match="--interval must be"):
        call_command("relay", "--interval", "0")


def test_sigterm_stops_it_after_the_turn(doorbell, capsys, monkeypatch):
    make_run(task_id="unpublished")
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    publish = relay.publish_unpublished

    def publish_and_be_stopped():
        published = publish()
        signal.raise_signal(signal.SIGTERM)
        return published

    monkeypatch.setattr(relay, "publish_unpublished", publish_and_be_stopped)
    try:
        call_command("relay", "--interval", "60", stdout=sys.stdout)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

    said = capsys.readouterr().out.splitlines()
    assert "a turn every 60 s" in said[0]
    assert said[1].endswith("published 1 runs, started 0 lost ones again, gave up 0 workers")
    assert said[2] == "Stopped."


def test_while_it_runs_it_can_be_seen_and_then_says_goodbye(doorbell, sleeps):
    standing, _ = turns(1)

    standing.run()

    row = WorkerProcess.objects.get()
    assert row.name.startswith("relay@")
    assert row.queues == []
    assert row.stopped_at is not None


def test_a_turn_that_did_nothing_is_not_reported(doorbell, sleeps):
    standing, reports = turns(3)

    standing.run()

    assert reports == []


def test_it_waits_for_a_database_that_is_away(doorbell, sleeps, monkeypatch):
    make_run(task_id="unpublished")
    failures = iter([OperationalError("gone")])
    publish = relay.publish_unpublished

    def publish_or_fail():
        for failure in failures:
            raise failure
        return publish()

    monkeypatch.setattr(relay, "publish_unpublished", publish_or_fail)
    standing, reports = turns(2)

    standing.run()

    assert reports == [RelayReport(published=1)]


def test_it_judges_a_worker_when_it_has_watched_it_for_long_enough(doorbell, sleeps):
    """It may have come with the database, while every worker was about to beat."""
    lost_run()
    standing, reports = turns(4)
    standing.run()
    assert reports == []

    standing, reports = turns(5)
    standing.run()
    assert reports == [RelayReport(published=1, lost=1, workers_given_up=1)]


def test_while_it_was_silent_itself_it_watched_nobody(doorbell, sleeps):
    lost_run()
    standing, reports = turns(2, interval=3600)

    standing.run()

    assert reports == []


def test_it_sleeps_in_slices_so_that_a_signal_is_soon_heard(doorbell, sleeps):
    standing, _ = turns(2, interval=1)

    standing.run()

    assert max(sleeps) <= 0.2


def test_a_separate_relay_states_its_kind_memory_and_versions_and_stops_when_asked():
    turning = StandingRelay(interval=0.01)
    turning.turn()
    row = WorkerProcess.objects.get()
    assert (row.kind, row.memory_bytes) == (ProcessKind.RELAY, None)
    assert row.versions["python"]
    assert row.ask_to_stop(by="lee")

    turning._next_beat = 0
    turning.run()

    row.refresh_from_db()
    assert row.stopped_at
    assert row.memory_bytes > 1_000_000
