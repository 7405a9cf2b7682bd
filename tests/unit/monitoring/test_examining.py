"""A relay examines: the probes of doctor, every so many seconds, by one of all relays."""

import datetime as dt

import pytest
from django.conf import settings
from django.utils import timezone, translation

from neural.health import findings
from neural.health.checks import CHECKS, register_probe
from neural.models import QueuePause, RunState, WorkerProcess
from neural.monitoring.conf import conf
from neural.monitoring.examining import duty
from neural.monitoring.models import Examination
from tests import registries
from tests.integration.conftest import point_this_process_to
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db


class Clock:
    """A monotonic clock that a test sets; each look at it takes so many seconds."""

    def __init__(self, *, takes: float = 0.0) -> None:
        self.seconds, self.takes = 1000.0, takes

    def __call__(self) -> float:
        self.seconds += self.takes
        return self.seconds


@pytest.fixture(autouse=True)
def evaluated(monkeypatch):
    """The situations and findings that were handed to the rules of alerts."""
    given = []
    monkeypatch.setattr(duty, "evaluate", lambda *each: given.append(each))
    return given


def examined() -> Examination:
    """The row after one whole examination."""
    Examination.objects.get_or_create(pk=1)
    for _ in duty.examination():
        pass
    return Examination.objects.get()


def found(row: Examination, probe: str, language: str = "en") -> dict:
    (finding,) = (each for each in row.findings[language] if each["probe"] == probe)
    return finding


def began_ago(seconds: float) -> None:
    began_at = timezone.now() - dt.timedelta(seconds=seconds)
    Examination.objects.update_or_create(pk=1, defaults={"began_at": began_at})


def test_of_many_relays_one_examines(evaluated):
    relays = [duty.Examining(Clock()) for _ in range(5)]

    for relay in relays:
        relay.turn()

    assert len(evaluated) == 1
    assert Examination.objects.get().ended_at is not None


def test_the_next_one_comes_after_examine_seconds(evaluated):
    clock = Clock()
    relay = duty.Examining(clock)
    relay.turn()

    clock.seconds += conf().examine_seconds - 1
    relay.turn()
    assert len(evaluated) == 1

    clock.seconds += 2
    began_ago(conf().examine_seconds + 1)
    relay.turn()
    assert len(evaluated) == 2


def test_a_relay_that_finds_the_lease_taken_looks_again_when_it_ends(
    evaluated, django_assert_num_queries, monkeypatch
):
    clock = Clock()
    held = conf().examine_seconds - 5
    began_ago(held)
    now = Examination.objects.get().began_at + dt.timedelta(seconds=held)
    relay = duty.Examining(clock)
    with monkeypatch.context() as stopped:
        stopped.setattr(duty, "database_clock", lambda: now)
        relay.turn()

    clock.seconds += 4
    with django_assert_num_queries(0):
        relay.turn()
    clock.seconds += 2
    began_ago(conf().examine_seconds + 1)
    relay.turn()

    assert len(evaluated) == 1


def test_a_lease_from_the_future_holds_nobody_up():
    """The database's clock may have been set back."""
    began_ago(-3600)

    assert duty.seconds_left(15) == 0
    assert duty.take_lease(15)
    assert not duty.take_lease(15)


def test_an_examination_is_cut_into_turns_of_the_relay(evaluated):
    """So that no heartbeat waits for it."""
    relay = duty.Examining(Clock(takes=duty.TURN_SECONDS))
    turns = 0
    while not evaluated:
        relay.turn()
        turns += 1
        assert turns < 100

    assert turns > 10


def test_the_findings_are_kept_in_every_language_of_the_project():
    row = examined()

    assert set(row.findings) == {code for code, _ in settings.LANGUAGES}
    assert found(row, "workers")["status"] == "problem"
    assert "nobody reads" in found(row, "workers")["found"]
    assert "没有工作进程" in found(row, "workers", "zh-hans")["found"]


def test_what_probes_read_is_read_once_for_all_languages(settings, monkeypatch):
    calls = []

    def probe(situation):
        number = situation.once("guests", lambda: calls.append(1) or len(calls))
        return findings.ok(f"{number} {translation.get_language()}")

    try:
        register_probe("guests", probe)
        row = examined()
    finally:
        registries.forget(CHECKS, "guests")

    assert [found(row, "guests", code)["found"] for code in ("en", "zh-hans")] == [
        "1 en",
        "1 zh-hans",
    ]


def test_a_probe_may_have_another_one_for_relays():
    def opens_what_must_not_be_open(situation):
        raise AssertionError("a relay ran it")

    try:
        register_probe(
            "guests",
            opens_what_must_not_be_open,
            in_relays=lambda situation: findings.ok("seen from afar"),
        )
        row = examined()
    finally:
        registries.forget(CHECKS, "guests")

    assert found(row, "guests")["found"] == "seen from afar"


def test_a_relay_does_not_open_the_vector_store(monkeypatch):
    monkeypatch.setattr(
        "neural.retrieval.health.vector_store", lambda: pytest.fail("it was opened")
    )
    monkeypatch.setattr("neural.retrieval.health.conf", lambda: Searching())

    assert found(examined(), "search")["found"] == "up to date"


class Searching:
    search = True


def test_a_probe_that_fails_is_itself_a_finding():
    def fails(situation):
        raise LookupError("no guests")

    try:
        register_probe("guests", fails)
        row = examined()
    finally:
        registries.forget(CHECKS, "guests")

    assert "LookupError: no guests" in found(row, "guests")["found"]
    assert found(row, "backlog")["status"] == "ok"


def test_neither_settings_nor_migrations_are_looked_at():
    """They change with a deployment, and looking takes seconds."""
    probes = {each["probe"] for each in examined().findings["en"]}

    assert not probes & {"settings", "kept settings", "migrations", "writing"}


def test_the_facts_say_what_waits_in_each_queue_who_reads_it_and_who_paused_it():
    world.run(queue="default", available_at=timezone.now() - dt.timedelta(seconds=90))
    WorkerProcess.objects.create(name="w@h", host="h", process_id=1, queues=["default"])
    QueuePause.objects.create(queue="low_priority", reason="till update", paused_by="lee")

    queues = examined().facts["queues"]

    assert queues["default"]["due"] == 1
    assert 89 < queues["default"]["oldest_seconds"] < 120
    assert (queues["default"]["readers"], queues["high_priority"]["readers"]) == (1, 0)
    assert queues["default"]["paused"] is None
    assert queues["low_priority"]["paused"] == {
        "by": "lee",
        "reason": "till update",
        "until": None,
    }


def test_the_facts_say_what_each_process_does():
    worker = WorkerProcess.objects.create(
        name="w@h", host="h", process_id=1, queues=["default"], concurrency=2, memory_bytes=7
    )
    world.run(RunState.RUNNING, worker=worker)
    WorkerProcess.objects.create(
        name="gone@h", host="h", process_id=2, lost_at=timezone.now() - dt.timedelta(minutes=5)
    )
    WorkerProcess.objects.create(
        name="long gone@h", host="h", process_id=3, lost_at=timezone.now() - dt.timedelta(hours=5)
    )
    WorkerProcess.objects.create(
        name="stopped@h", host="h", process_id=4, stopped_at=timezone.now()
    )

    gone, works = examined().facts["processes"]

    assert (gone["name"], gone["lost"]) == ("gone@h", True)
    assert (works["name"], works["lost"], works["running"]) == ("w@h", False, 1)
    assert (works["work"], works["memory_bytes"]) == ("app.count", 7)


def test_the_facts_say_that_the_broker_is_away(monkeypatch):
    point_this_process_to("redis://127.0.0.1:1/0", monkeypatch)
    broker = examined().facts["broker"]

    assert broker["up"] is False
    assert broker["error"]
    assert examined().facts["queues"]["default"]["messages"] is None


def test_it_is_kept_since_when_a_probe_has_found_something():
    before = examined().facts["since"]["workers"]

    assert examined().facts["since"]["workers"] == before
    WorkerProcess.objects.create(
        name="w@h", host="h", process_id=1, queues=["high_priority", "default", "low_priority"]
    )
    assert "workers" not in examined().facts["since"]


def test_an_error_in_the_rules_of_alerts_leaves_the_examination_kept(monkeypatch):
    monkeypatch.undo()  # the real evaluate

    class Rules:
        @staticmethod
        def evaluate(*args, **options):
            raise LookupError("no rule")

    monkeypatch.setattr(duty, "evaluating", Rules)

    said: list[str] = []
    monkeypatch.setattr(duty.logger, "warning", lambda text, *args, **options: said.append(text))

    assert examined().ended_at is not None
    assert said == ["event=evaluation_failed error=%r"]


def test_an_error_gives_up_this_examination_and_not_the_next(monkeypatch, evaluated):
    clock = Clock()
    relay = duty.Examining(clock)
    monkeypatch.setattr(duty, "facts_of", lambda situation: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        relay.turn()
    monkeypatch.setattr(duty, "facts_of", lambda situation: {})

    clock.seconds += conf().examine_seconds + 1
    began_ago(conf().examine_seconds + 1)
    relay.turn()

    assert len(evaluated) == 1
