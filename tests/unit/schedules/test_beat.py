"""Beat on the ledger: each due moment once, whoever is killed, doubled or away."""

import datetime as dt
import json

import pytest
from celery import Celery
from django.apps import apps
from django.db import OperationalError
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, PeriodicTask, PeriodicTasks

from neural.celeryapp.beat import LedgerScheduler
from neural.ledger.clock import carried
from neural.models import SchedulePolicy, TaskRun
from tests.unit.schedules.beating import SHANGHAI, START, Beat, daily, killed, moments, schedule
from zhilian.celery import app

pytestmark = pytest.mark.django_db


# Recording


def test_a_due_schedule_becomes_a_run_that_names_schedule_and_moment(beat, clock):
    row = schedule(args=json.dumps([1]), kwargs=json.dumps({"two": 2}), queue="low_priority")

    beat.looks()
    assert moments() == []
    clock.moves(seconds=61)
    beat.looks()

    run = TaskRun.objects.get()
    assert run.task_id == f"schedule-{row.pk}-2026-03-02T01:01:30.000000Z"
    assert (run.task, run.args, run.kwargs) == ("probe.give_back", [1], {"two": 2})
    assert (run.queue, run.requested_by) == ("low_priority", "it")


def test_the_row_moves_on_with_the_run_and_not_at_the_next_sync(beat, clock):
    row = schedule()
    clock.moves(seconds=61)

    beat.looks()

    row.refresh_from_db()
    assert (row.last_run_at, row.total_run_count) == (clock.now, 1)
    assert row.date_changed == START


def test_a_schedule_goes_on_from_moment_to_moment(beat, clock):
    schedule()

    for _ in range(180):
        clock.moves(seconds=1)
        beat.looks()

    assert len(moments()) == 3
    assert PeriodicTask.objects.get().total_run_count == 3


def test_a_name_longer_than_the_ledgers_column_is_cut(beat, clock):
    schedule("n" * 200)
    clock.moves(seconds=61)

    beat.looks()

    assert TaskRun.objects.get().requested_by == "n" * 150


# Killed, doubled, away


def test_a_beat_killed_after_recording_does_not_record_again(beat, clock):
    schedule()
    schedule("daily", crontab=daily(9, 1, timezone=SHANGHAI))
    clock.moves(seconds=61)
    beat.looks()
    assert len(moments()) == 2

    Beat().looks()

    assert len(moments()) == 2


def test_a_beat_killed_while_recording_has_recorded_nothing_and_its_successor_does(
    beat, clock, monkeypatch
):
    row = schedule()
    clock.moves(seconds=61)
    monkeypatch.setattr(beat, "_apply", killed)
    with pytest.raises(SystemExit):
        beat.looks()
    row.refresh_from_db()
    assert row.last_run_at is None

    Beat().looks()

    assert len(moments()) == 1


def test_of_two_beats_one_records_each_moment(beat, clock):
    schedule()
    schedule("daily", crontab=daily(9, 2, timezone=SHANGHAI))
    other = Beat()

    for _ in range(181):
        clock.moves(seconds=1)
        other.looks()
        beat.looks()

    assert len(moments()) == 4


def test_a_row_written_back_by_somebody_else_does_not_repeat_its_moment(beat, clock):
    """As when a form that was read before the run is saved after it."""
    row = schedule()
    clock.moves(seconds=61)
    beat.looks()

    row.refresh_from_db()
    row.last_run_at, row.total_run_count = None, 0
    row.save()
    PeriodicTask.objects.update(date_changed=START)
    beat.looks()

    assert len(moments()) == 1


def test_missed_moments_are_made_up_for_by_one_run(beat, clock):
    schedule()
    clock.moves(hours=5)

    beat.looks()
    clock.moves(seconds=59)
    beat.looks()
    assert moments() == ["2026-03-02T01:01:30.000000Z"]

    clock.moves(seconds=1)
    beat.looks()
    assert len(moments()) == 2


def test_a_daily_moment_missed_is_made_up_for_when_beat_starts_and_not_near_its_hour(beat, clock):
    schedule(crontab=daily(10, timezone=SHANGHAI))
    clock.moves(hours=8)

    beat.looks()

    assert moments() == ["2026-03-02T02:00:00.000000Z"]


def test_recording_needs_no_broker(beat, clock, fake_broker, django_capture_on_commit_callbacks):
    fake_broker.away = True
    schedule()
    clock.moves(seconds=61)

    with django_capture_on_commit_callbacks(execute=True):
        beat.looks()

    assert len(moments()) == 1


def test_what_a_lost_database_did_not_take_is_recorded_when_it_is_back(beat, clock, monkeypatch):
    row = schedule()
    schedule("other", task="probe.count")
    clock.moves(seconds=61)
    with monkeypatch.context() as patch:
        patch.setattr(beat, "_apply", away)
        assert beat.looks() <= 5
    row.refresh_from_db()
    assert (row.last_run_at, moments()) == (None, [])

    clock.moves(seconds=5)
    beat.looks()

    assert moments() == ["2026-03-02T01:01:30.000000Z"] * 2


def away(*args, **kwargs):
    raise OperationalError("away")


def test_beat_starts_and_waits_while_the_database_is_away(clock, fake_broker, monkeypatch, caplog):
    with monkeypatch.context() as patch:
        patch.setattr(PeriodicTasks, "last_change", away)
        beat = LedgerScheduler(app=app)
        assert beat.tick() == beat.max_interval
    assert "event=schedules_not_read" in caplog.text

    beat.tick()

    assert PeriodicTask.objects.get().name == "celery.backend_cleanup"


# Left out


def test_a_schedule_whose_app_is_not_installed_is_left_out_said_once_and_kept(
    beat, clock, caplog, monkeypatch
):
    installed = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name != "neural.restaurant" and installed(name)
    )
    row = schedule("nightly", task="neural.tasks.analyse_demand")
    schedule("of other code", task="elsewhere.clean")

    for _ in range(3):
        clock.moves(seconds=61)
        beat._read_at = None
        beat.looks()

    assert (moments(), beat.sent) == ([], ["of other code"] * 3)
    assert caplog.text.count("event=schedule_left_out schedule='nightly'") == 1
    assert "add 'neural.restaurant' to INSTALLED_APPS" in caplog.text
    row.refresh_from_db()
    assert (row.enabled, row.total_run_count) == (True, 0)


# Refused


def test_what_the_ledger_refuses_is_logged_once_a_moment(beat, clock, caplog):
    schedule(priority=0)
    clock.moves(seconds=61)

    beat.looks()
    clock.moves(seconds=5)
    beat.looks()

    assert moments() == []
    assert caplog.text.count("event=schedule_refused schedule='it'") == 1


@pytest.mark.parametrize("task", ["probe.give_back", "probe.plain"])
def test_a_refused_due_time_is_no_run_and_the_row_says_why(beat, clock, task, monkeypatch):
    monkeypatch.setattr(app.tasks[task], "__header__", takes_nothing)
    row = schedule(task=task, kwargs='{"model_typo": 1}', last_run_at=START)
    good = schedule("good", task="probe.count")

    for _ in range(3):
        clock.moves(seconds=61)
        beat.looks()

    row.refresh_from_db()
    assert (row.last_run_at, row.total_run_count) == (START, 0)
    assert (beat.sent, TaskRun.objects.exclude(requested_by=good.name).count()) == ([], 0)
    kept = SchedulePolicy.objects.get(pk=row.pk)
    assert kept.skipped_at == clock.now
    assert kept.refusal_of(row).startswith("TypeError: takes_nothing() got an unexpected keyword")
    assert len(moments()) == 3  # it holds up nobody


def takes_nothing():
    """The header of a task without arguments."""


def test_what_was_refused_is_made_up_for_when_it_was_mended(beat, clock, caplog):
    row = schedule(priority=0, crontab=daily(10, timezone=SHANGHAI))
    clock.moves(hours=1)
    beat.looks()
    for _ in range(20):  # beat reads its schedules again meanwhile
        clock.moves(minutes=1)
        beat._read_at = None
        beat.looks()
    assert caplog.text.count("event=schedule_refused schedule='it'") == 1

    PeriodicTask.objects.update(priority=5, date_changed=START + dt.timedelta(minutes=1))
    beat._read_at = None
    beat.looks()

    assert moments() == ["2026-03-02T02:00:00.000000Z"]
    row.refresh_from_db()
    assert row.last_run_at == clock.now


def test_a_schedule_that_runs_once_and_was_refused_has_not_run(beat, clock, caplog):
    at = ClockedSchedule.objects.create(clocked_time=START + dt.timedelta(minutes=2))
    row = schedule(clocked=at, one_off=True, priority=0)
    schedule("good")
    for _ in range(4):
        clock.moves(minutes=2)
        beat.looks()

    row.refresh_from_db()
    assert (row.enabled, row.total_run_count, len(moments())) == (True, 0, 4)
    assert caplog.text.count("event=schedule_refused schedule='it'") == 1


def test_a_row_that_cannot_be_used_stops_no_other(beat, clock, caplog):
    PeriodicTask.objects.bulk_create([PeriodicTask(name="without a schedule", task="probe.count")])
    schedule()
    clock.moves(seconds=61)

    beat.looks()

    assert len(moments()) == 1
    assert "event=schedule_unusable schedule='without a schedule'" in caplog.text


# Clocks


def test_a_last_run_that_is_still_to_come_silences_no_schedule(beat, clock):
    """A beat whose host was ahead wrote it, and died."""
    row = schedule(last_run_at=START + dt.timedelta(minutes=10))

    for _ in range(3):
        beat.looks()
        clock.moves(seconds=61)
        beat._read_at = None  # reading it again does not put it off again
    beat.looks()

    assert len(moments()) == 3
    row.refresh_from_db()
    assert row.last_run_at == clock.now


def test_a_beat_on_a_host_that_is_ahead_is_not_early(beat, clock, monkeypatch):
    """Neither its host nor Celery is asked what time it is."""
    ahead = START + dt.timedelta(minutes=10)
    monkeypatch.setattr(timezone, "now", lambda: ahead)
    monkeypatch.setattr(Celery, "now", lambda app: ahead)
    for number, kind in enumerate(({}, {"crontab": daily(9, 5)})):
        schedule(f"schedule {number}", **kind)

    beat.looks()

    assert moments() == []


def test_a_database_whose_clock_was_set_back_silences_no_schedule(beat, clock, monkeypatch):
    schedule()
    clock.moves(seconds=61)
    beat.looks()

    clock.moves(hours=-1)
    monkeypatch.setattr(carried, "ask", lambda: -3600.0)
    beat.looks()
    monkeypatch.setattr(carried, "ask", lambda: 0.0)
    clock.moves(seconds=61)
    beat.looks()

    assert len(moments()) == 2
