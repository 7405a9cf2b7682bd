"""Real beats: two at once, killed, with the broker or the database away."""

import datetime as dt
import random
import signal
import time
from itertools import pairwise

import pytest
from django.db import connection
from django.db.models import Subquery
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from neural.models import Overlap, RunState, SchedulePolicy, TaskRun, WorkerProcess
from tests.integration.beats import every
from tests.integration.cluster import wait_for_runs, within
from tests.integration.forwarder import Forwarder
from tests.watching import wait_until

pytestmark = pytest.mark.integration


def moments() -> list[dt.datetime]:
    """The due moments that were recorded, as the runs' ids say."""
    return sorted(map(moment_of, TaskRun.objects.values_list("task_id", flat=True)))


def moment_of(task_id: str) -> dt.datetime:
    return dt.datetime.fromisoformat(task_id.split("-", 2)[2])


def expect_each_moment_once(seconds: float) -> None:
    """No run without its count nor count without its run; none nearer than the interval."""
    counted = Subquery(PeriodicTask.objects.filter(name="it").values("total_run_count"))
    # By one statement: a beat that is alive goes on meanwhile.
    rows = list(TaskRun.objects.annotate(counted=counted).values_list("task_id", "counted"))
    found = sorted(moment_of(task_id) for task_id, _ in rows)
    assert {counted for _, counted in rows} == {len(found)}
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(found)]
    assert min(gaps) >= seconds, gaps


def test_two_beats_record_each_moment_once_and_one_of_them_suffices(start_beat):
    every(1)
    beats = [start_beat(), start_beat()]
    wait_until(lambda: len(moments()) >= 8, 120)

    beats[0].kill()
    count = len(moments())

    wait_until(lambda: len(moments()) >= count + 3, 120)
    expect_each_moment_once(1)


def test_two_beats_leave_times_out_while_the_run_before_has_not_ended(start_beat):
    row = every(1)
    SchedulePolicy.objects.create(schedule_id=row.pk, overlap=Overlap.SKIP)
    beats = [start_beat(), start_beat()]
    wait_until(lambda: PeriodicTask.objects.get(name="it").total_run_count >= 4, 120)
    assert len(moments()) == 1
    assert SchedulePolicy.objects.get().skipped_why.startswith("overlap schedule-")

    TaskRun.objects.update(state=RunState.SUCCEEDED, finished_at=timezone.now())

    wait_until(lambda: len(moments()) == 2, 60)
    assert all(beat.process.poll() is None for beat in beats)


@pytest.mark.faults
def test_a_beat_killed_right_after_it_recorded_neither_doubles_nor_loses(start_beat):
    every(12)
    beat = start_beat()
    wait_until(lambda: moments(), 120)
    beat.kill()

    start_beat()

    wait_until(lambda: len(moments()) >= 2, 120)
    expect_each_moment_once(12)


@pytest.mark.faults
def test_beats_killed_at_any_moment_neither_double_nor_lose(start_beat):
    every(1)
    for _ in range(5):
        count = len(moments())
        beat = start_beat()
        wait_until(lambda count=count: len(moments()) > count, 120)
        time.sleep(random.uniform(0, 1.2))
        beat.kill()

    expect_each_moment_once(1)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["stop", "freeze"])
def test_beat_goes_on_recording_while_the_broker_is_away(cluster, start_beat, fault):
    getattr(cluster.broker, fault)()
    every(1)
    every(3600, "plain", task="celery.accumulate", queue="low_priority")
    beat = start_beat()
    wait_until(lambda: moments(), 120)
    count = len(moments())
    wait_until(lambda: len(moments()) >= count + 6, 120)
    assert beat.text.count("event=broker_lost") == 1, "it waits for the broker each time"

    cluster.broker.thaw() if fault == "freeze" else cluster.broker.start()

    wait_until(lambda: cluster.message_count("low_priority") == 1, 120)
    PeriodicTask.objects.get(name="it").delete()
    assert not within(6, lambda: cluster.message_count("low_priority") > 1)  # it has seen it
    cluster.worker(queues="default", republish_seconds=1)
    wait_for_runs()


def test_an_edit_takes_effect_within_seconds(start_beat):
    row = every(3600, last_run_at=timezone.now())
    beat = start_beat()
    wait_until(beat.has_read, 120)

    row.interval = IntervalSchedule.objects.create(every=1, period="seconds")
    row.save()

    wait_until(lambda: moments(), 120)  # without it, beat would read again after five minutes


def test_a_stop_is_quick_and_leaves_nothing_undone(start_beat):
    every(1)
    beat = start_beat()
    wait_until(lambda: len(moments()) >= 2, 120)

    beat.process.send_signal(signal.SIGTERM)

    assert beat.process.wait(25) == 0  # what `up` allows
    expect_each_moment_once(1)


@pytest.mark.faults
def test_beat_outlives_its_database_and_makes_up_for_what_it_missed(cluster, start_beat):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite is a file: it is not away")
    config = connection.settings_dict
    forwarder = Forwarder(config["HOST"] or "127.0.0.1", int(config["PORT"] or 5432))
    forwarder.start()
    login = config["USER"] + (f":{config['PASSWORD']}" if config["PASSWORD"] else "")
    url = f"postgres://{login}@127.0.0.1:{forwarder.port}/{config['NAME']}"
    every(2)
    beat = start_beat(DATABASE_URL=url)
    wait_until(lambda: moments(), 120)

    forwarder.stop()
    wait_until(lambda: "event=schedules_not_read" in beat.text, 120)
    time.sleep(6)
    count = len(moments())
    assert beat.process.poll() is None
    forwarder.start()

    wait_until(lambda: len(moments()) >= count + 3, 120)
    expect_each_moment_once(2)
    forwarder.stop()


# Beat's own heartbeat


def test_beat_is_heard_of_without_a_broker_and_is_marked_stopped_when_it_is_told_to_end(
    cluster, start_beat
):
    cluster.broker.stop()
    beat = start_beat()
    wait_until(lambda: WorkerProcess.objects.beats().exists(), 120)
    first = WorkerProcess.objects.beats().get().heartbeat_at
    wait_until(lambda: WorkerProcess.objects.beats().get().heartbeat_at > first, 60)

    beat.process.send_signal(signal.SIGTERM)

    wait_until(lambda: WorkerProcess.objects.beats().get().stopped_at, 60)
    assert WorkerProcess.objects.beats().get().process_id == beat.process.pid
