"""Beat on the ledger: plain tasks, edits, and what django-celery-beat's schedules promise."""

import datetime as dt
import json
from zoneinfo import ZoneInfo

import pytest
from django_celery_beat.models import (
    ClockedSchedule,
    IntervalSchedule,
    PeriodicTask,
    PeriodicTasks,
)

from neural.models import TaskRun
from tests.celery_versions import since_celery_5_7
from tests.unit.schedules.beating import START, Beat, daily, killed, moments, schedule

pytestmark = pytest.mark.django_db


# Plain tasks


def test_a_plain_task_is_sent_once_and_its_row_moves_on_before(beat, clock, monkeypatch):
    schedule(task="probe.plain")
    clock.moves(seconds=61)
    monkeypatch.setattr(beat, "_publish", killed)
    with pytest.raises(SystemExit):
        beat.looks()

    successor = Beat()
    successor.looks()
    assert successor.sent == []

    clock.moves(seconds=60)
    successor.looks()
    assert successor.sent == ["it"]


@since_celery_5_7("what waits holds up what is behind it: celery#7649")
def test_a_plain_task_waits_for_the_broker_and_holds_up_nobody(beat, clock, fake_broker):
    schedule("plain", task="probe.plain")
    schedule("ledger")
    clock.moves(seconds=61)
    fake_broker.away = True

    assert beat.looks() <= 5
    assert (beat.sent, len(moments())) == ([], 1)

    fake_broker.away = False
    clock.moves(seconds=5)
    beat.looks()
    assert beat.sent == ["plain"]


def test_of_two_beats_one_sends_a_plain_task(beat, clock):
    schedule(task="probe.plain")
    other = Beat()
    other.looks(), beat.looks()
    clock.moves(seconds=61)

    other.looks(), beat.looks()

    assert (other.sent, beat.sent) == (["it"], [])


# Edits, and what django-celery-beat promises


def test_an_edit_is_seen_at_the_next_look(beat, clock):
    row = schedule(last_run_at=START)
    assert beat.looks() <= 5
    clock.moves(seconds=30)
    row.kwargs = json.dumps({"edited": True})
    row.interval = IntervalSchedule.objects.create(every=45, period="seconds")
    row.save()

    clock.moves(seconds=15)
    beat.looks()

    assert TaskRun.objects.get().kwargs == {"edited": True}


def test_an_update_is_seen_when_it_is_announced(beat, clock):
    schedule()
    beat.looks()
    clock.moves(seconds=30)
    PeriodicTask.objects.update(kwargs=json.dumps({"edited": True}))
    PeriodicTasks.update_changed()

    clock.moves(seconds=31)
    beat.looks()

    assert TaskRun.objects.get().kwargs == {"edited": True}


def test_disabling_without_a_word_is_heeded_at_once(beat, clock):
    schedule()
    beat.looks()
    PeriodicTask.objects.update(enabled=False)

    clock.moves(seconds=61)
    beat.looks()

    assert moments() == []


def test_a_one_off_schedule_runs_once_and_is_disabled(beat, clock):
    row = schedule(one_off=True)

    for _ in range(4):
        clock.moves(seconds=61)
        beat.looks()

    row.refresh_from_db()
    assert (len(moments()), row.enabled) == (1, False)


def test_a_clocked_schedule_runs_at_its_time_and_again_when_it_is_enabled_again(beat, clock):
    at = ClockedSchedule.objects.create(clocked_time=START + dt.timedelta(minutes=2))
    row = schedule(clocked=at, one_off=True)
    beat.looks()
    clock.moves(minutes=2)
    beat.looks()
    assert moments() == ["2026-03-02T01:02:30.000000Z"]
    Beat().looks()  # the next start finds that it has run, and disables it
    row.refresh_from_db()
    assert not row.enabled

    row.enabled = True
    row.save()
    beat.looks()

    assert len(moments()) == 2


def test_nothing_runs_before_its_start_time(beat, clock):
    schedule(start_time=START + dt.timedelta(minutes=10))

    clock.moves(minutes=9)
    beat.looks()
    assert moments() == []
    clock.moves(minutes=1)
    beat.looks()

    assert moments() == ["2026-03-02T01:10:30.000000Z"]


def test_an_expired_schedule_is_disabled(beat, clock):
    row = schedule(expires=START + dt.timedelta(seconds=30))
    clock.moves(seconds=61)

    beat.looks()

    row.refresh_from_db()
    assert (moments(), row.enabled) == ([], False)


def test_a_crontab_is_read_in_its_own_time_zone(beat, clock):
    schedule(crontab=daily(2, timezone=ZoneInfo("Europe/Berlin")))  # 9:00 in Shanghai
    clock.moves(days=1)

    beat.looks()

    assert moments() == ["2026-03-03T01:00:00.000000Z"]


def test_a_schedules_options_are_the_runs(beat, clock):
    schedule(expire_seconds=30, priority=9, queue="low_priority")
    clock.moves(seconds=61)

    beat.looks()

    run = TaskRun.objects.get()
    assert (run.priority, run.queue) == (9, "low_priority")
    assert "expires_at" in run.options
