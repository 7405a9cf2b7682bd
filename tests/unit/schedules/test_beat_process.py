"""Beat's own heartbeat: a row of its own kind, kept also without a broker."""

import os

import pytest
from django.db import OperationalError, connection

from neural.celeryapp.beat import BeatProcess
from neural.health.situation import Situation
from neural.health.workers import workers
from neural.kit.conf import conf
from neural.models import ProcessKind, WorkerProcess
from tests.unit.factories import ago, make_worker
from tests.unit.schedules.beating import Beat

pytestmark = pytest.mark.django_db


def row() -> WorkerProcess:
    return WorkerProcess.objects.beats().get()


def test_beat_says_who_it_is_at_its_first_look(beat, clock):
    beat.looks()

    found = row()
    assert found.kind == ProcessKind.BEAT
    assert (found.name, found.process_id, found.queues) == (
        f"beat@{found.host}",
        os.getpid(),
        [],
    )
    assert set(found.versions) == {"neural", "python", "django", "celery"}
    assert found.memory_bytes > 1_000_000


def test_it_beats_as_often_as_a_worker_also_when_the_broker_is_down(
    beat, clock, fake_broker, time_that
):
    fake_broker.away = True
    beat.looks()
    WorkerProcess.objects.update(heartbeat_at=ago(minutes=1))

    assert beat.looks() <= conf().heartbeat_seconds
    assert row().heartbeat_at < ago(seconds=50)
    time_that.passes(conf().heartbeat_seconds)
    beat.looks()

    assert row().heartbeat_at > ago(seconds=50)


def test_it_sleeps_no_longer_than_to_its_next_heartbeat(beat, clock, time_that):
    beat.max_interval = 3600

    assert beat.looks() == conf().heartbeat_seconds
    time_that.passes(2)
    assert beat.looks() == conf().heartbeat_seconds - 2


def test_a_database_that_is_away_does_not_hold_beat_up(beat, clock, time_that, monkeypatch, caplog):
    beat.looks()
    time_that.passes(60)

    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "beat", _away)
        beat.looks()
        assert "event=beat_heartbeat_failed" in caplog.text
        beat.close()

    assert row().stopped_at


def _away(*arguments, **facts):
    raise OperationalError("away")


def test_beat_is_marked_stopped_at_its_end_and_once(beat, clock):
    beat.looks()

    beat.close()  # by the handler of the signal
    stopped_at = row().stopped_at
    beat.close()  # at the end of its loop

    assert stopped_at
    assert row().stopped_at == stopped_at


def test_a_signal_in_the_middle_of_a_look_leaves_the_database_alone(beat, clock):
    beat.looks()
    beat._is_ticking = True  # as while a statement is under way

    beat.close()
    assert row().stopped_at is None
    beat._is_ticking = False

    beat.close()
    assert row().stopped_at


def test_a_beat_that_was_taken_for_lost_is_present_again_and_a_pruned_row_is_written_anew(
    beat, clock, time_that
):
    beat.looks()
    WorkerProcess.objects.update(lost_at=ago(seconds=1))
    time_that.passes(60)
    beat.looks()
    assert row().lost_at is None

    WorkerProcess.objects.all().delete()
    time_that.passes(60)
    beat.looks()
    assert row().pk


def test_beat_counts_as_no_worker_and_no_relay(beat, clock):
    beat.looks()

    assert Situation().workers == []
    assert WorkerProcess.objects.beats().last_heard()
    assert "no worker is alive" in workers(Situation()).found


def test_a_silent_beat_is_not_told_as_a_silent_worker(beat, clock):
    make_worker(queues=["high_priority", "default", "low_priority"])
    Beat().looks()
    WorkerProcess.objects.beats().update(heartbeat_at=ago(minutes=1))

    assert "silent" not in workers(Situation()).found


@pytest.mark.django_db(transaction=True)
def test_ended_in_the_middle_of_a_query_it_is_marked_stopped_by_a_new_connection(
    monkeypatch, caplog
):
    process = BeatProcess()
    process.beat()
    stop, connections = WorkerProcess.stop, []

    def stop_by(worker: WorkerProcess) -> None:
        connections.append(connection.connection)
        if len(connections) == 1:
            raise OperationalError("another command is already in progress")
        stop(worker)

    monkeypatch.setattr(WorkerProcess, "stop", stop_by)
    process.stop()

    assert row().stopped_at is not None
    assert connections[1] is not connections[0]
    assert "goodbye_failed" not in caplog.text
