"""A worker's life: its row, its heartbeat, whom it may judge, its goodbye."""

import os
from types import SimpleNamespace

import pytest
from celery import current_app
from django.db import OperationalError

from neural.ledger import claim, ports
from neural.models import RunState, TaskRun, WorkerProcess
from neural.worker import process, relay
from tests.unit.factories import ago, make_run, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def thread(monkeypatch, settings):
    """The relay thread of a worker, not started; its forks are nobody's business."""
    settings.NEURAL = {"heartbeat_seconds": 5, "worker_lost_seconds": 20}
    monkeypatch.setattr(os, "register_at_fork", lambda **hooks: None)
    monkeypatch.setattr(relay, "publish_unpublished", lambda: 0)
    pool = SimpleNamespace(info={"processes": [7, 8]})
    thread = process.RelayThread(make_worker(), pool)
    thread._next_beat = 0
    return thread


def a_silent_worker():
    silent = make_worker("silent@host", heartbeat_at=ago(minutes=5))
    make_run(RunState.RUNNING, worker=silent, started_at=ago(minutes=4))
    return silent


def test_a_turn_says_that_the_worker_lives(thread):
    WorkerProcess.objects.update(heartbeat_at=ago(minutes=1))

    thread._work()

    assert WorkerProcess.objects.alive(10).count() == 1


def test_the_heartbeat_is_not_written_every_turn(thread, time_that):
    thread._work()
    WorkerProcess.objects.update(heartbeat_at=ago(minutes=1))

    thread._work()

    assert WorkerProcess.objects.alive(10).count() == 0


def test_memory_is_measured_more_seldom_than_the_heart_beats(thread, time_that, monkeypatch):
    measured = []
    monkeypatch.setattr(process, "memory_bytes", lambda pids: measured.append(pids) or 4096)

    turns(thread, time_that, seconds=process.MEASURE_SECONDS - 5)
    assert len(measured) == 1
    assert WorkerProcess.objects.get().memory_bytes == 4096

    turns(thread, time_that, seconds=10)
    assert len(measured) == 2


def turns(thread, time_that, *, seconds):
    """A turn each second."""
    for _ in range(seconds + 1):
        thread._work()
        time_that.passes(1)


def test_a_worker_gives_up_whom_it_has_not_heard_of_for_long_enough(thread, time_that):
    silent = a_silent_worker()

    turns(thread, time_that, seconds=20)

    silent.refresh_from_db()
    assert silent.lost_at
    assert TaskRun.objects.get().losses == 1


def test_a_worker_that_could_not_beat_itself_does_not_count_that_time(thread, time_that):
    """When the database was away, every worker has been silent."""
    silent = a_silent_worker()
    thread._work()

    time_that.passes(600)
    turns(thread, time_that, seconds=5)

    silent.refresh_from_db()
    assert silent.lost_at is None


def test_a_stopping_worker_takes_no_process_for_lost(thread):
    """Its pool is told to end; what it held is released, uncounted."""
    run = make_run(RunState.RUNNING, worker=thread.worker, process_id=99, started_at=ago(seconds=9))

    thread.only_beat()
    thread._work()

    run.refresh_from_db()
    assert (run.state, run.losses) == (RunState.RUNNING, 0)


def test_a_dead_pool_process_is_noticed_by_its_own_worker(thread):
    run = make_run(RunState.RUNNING, worker=thread.worker, process_id=99, started_at=ago(seconds=9))

    thread._work()

    run.refresh_from_db()
    assert (run.state, run.losses) == (RunState.PENDING, 1)


def test_the_pools_processes_and_the_worker_itself_are_living(thread):
    assert set(thread.living_processes()) == {7, 8, os.getpid()}


def test_a_pool_without_processes_works_in_the_workers_own(thread):
    thread.pool = SimpleNamespace(info={})

    assert set(thread.living_processes()) == {os.getpid()}


def test_a_turn_that_fails_ends_nothing(thread, monkeypatch, caplog):
    def away():
        raise OperationalError("the database is away")

    monkeypatch.setattr(thread, "_work", away)
    monkeypatch.setattr(process, "be_impatient", lambda: None)
    monkeypatch.setattr(process.connections, "close_all", lambda: None)

    thread._turn()

    assert "event=relay_failed" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(process.connections, "close_all", lambda: None)
    monkeypatch.setattr(process.atexit, "register", lambda function: None)
    monkeypatch.setattr(claim, "_worker", None)
    monkeypatch.setattr(process, "_thread", None)
    process._register(SimpleNamespace(hostname="w@h", app=current_app, concurrency=3))
    return WorkerProcess.objects.get()


def test_a_worker_registers_with_its_queues_before_it_forks(registered):
    assert (registered.name, registered.process_id, registered.concurrency) == (
        "w@h",
        os.getpid(),
        3,
    )
    assert registered.queues == ["default", "high_priority", "low_priority"]
    assert claim.own_claimant().worker_id == registered.pk
    assert claim.own_claimant().process_id == os.getpid()


def test_a_goodbye_releases_runs_and_says_so(registered):
    make_run(RunState.RUNNING, worker=registered, started_at=ago(seconds=5))

    process.say_goodbye()
    process.say_goodbye()  # at exit, once more: nothing happens

    assert (TaskRun.objects.get().state, TaskRun.objects.get().losses) == (RunState.PENDING, 0)
    assert WorkerProcess.objects.get().stopped_at
    assert claim.own_claimant().worker_id is None


def test_a_pool_process_that_leaves_says_no_goodbye_for_its_worker(registered, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: registered.process_id + 1)

    process.say_goodbye()

    assert WorkerProcess.objects.get().stopped_at is None


def test_a_worker_does_not_start_without_a_table_into_which_settling_inserts(monkeypatch, caplog):
    """The database has not been migrated: every run would be lost, again and again."""
    insert = ports.Insert(table="neural_not_there", column="figures", text=lambda outcomes: "")
    monkeypatch.setitem(ports._settle_inserts, "not there", insert)

    with pytest.raises(SystemExit):
        process._register(SimpleNamespace())

    assert "event=worker_not_recorded" in caplog.text
    assert "neural_not_there" in caplog.text
