"""A schedule's policy: times left out while its last run has not ended, and times beat missed."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django_celery_beat.models import PeriodicTask

from neural.models import Misfire, Overlap, RunState, SchedulePolicy, TaskRun
from tests.unit.schedules.beating import SHANGHAI, Beat, daily, moments, schedule

pytestmark = pytest.mark.django_db


def policy(row: PeriodicTask, **fields: Any) -> SchedulePolicy:
    return SchedulePolicy.objects.create(schedule_id=row.pk, **fields)


def guarded(name: str = "it", **fields: Any) -> PeriodicTask:
    row = schedule(name, **fields)
    policy(row, overlap=Overlap.SKIP)
    return row


def minutes_pass(clock: Any, beats: list[Beat], count: int) -> None:
    for _ in range(count):
        clock.moves(seconds=61)
        for each in beats:
            each.looks()


def end(run: TaskRun, state: str = RunState.SUCCEEDED) -> None:
    TaskRun.objects.filter(pk=run.pk).update(state=state, finished_at=run.created_at)


# Overlap


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING])
def test_a_time_is_left_out_while_a_run_of_the_schedule_waits_or_works(beat, clock, state, caplog):
    row = guarded()
    minutes_pass(clock, [beat], 1)
    TaskRun.objects.update(state=state, token=7, started_at=clock.now)

    minutes_pass(clock, [beat], 2)

    (run,) = TaskRun.objects.all()
    kept = SchedulePolicy.objects.get(pk=row.pk)
    assert (kept.skipped_at, kept.skipped_why) == (clock.now, f"overlap {run.task_id}")
    assert caplog.text.count("event=schedule_time_left_out schedule='it'") == 2


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED])
def test_it_runs_again_when_the_run_before_has_ended(beat, clock, state):
    guarded()
    minutes_pass(clock, [beat], 1)
    end(TaskRun.objects.get(), state)

    minutes_pass(clock, [beat], 1)

    assert len(moments()) == 2


def test_an_unguarded_schedule_runs_beside_its_own_runs(beat, clock):
    schedule()

    minutes_pass(clock, [beat], 3)

    assert len(moments()) == 3


def test_runs_of_other_schedules_of_the_same_task_hold_nothing_up(beat, clock):
    rows = [schedule(f"schedule {number}") for number in range(12)]  # 1 and 10 begin alike
    first, others = rows[0], rows[1:]
    policy(first, overlap=Overlap.SKIP)
    minutes_pass(clock, [beat], 1)
    end(TaskRun.objects.get(task_id__startswith=f"schedule-{first.pk}-"))

    minutes_pass(clock, [beat], 1)

    assert len(moments()) == 2 * len(rows)
    assert not SchedulePolicy.objects.get().skipped_at
    assert others


def test_two_beats_and_a_restart_leave_out_the_same_times(beat, clock):
    guarded()
    other = Beat()
    minutes_pass(clock, [beat, other], 2)

    minutes_pass(clock, [Beat(), other], 2)
    assert len(moments()) == 1
    end(TaskRun.objects.get())
    minutes_pass(clock, [other, beat], 1)

    assert len(moments()) == 2
    assert PeriodicTask.objects.get().total_run_count == 5


def test_a_policy_holds_from_the_moment_at_which_it_was_saved(beat, clock):
    row = schedule()
    minutes_pass(clock, [beat], 1)

    policy(row, overlap=Overlap.SKIP)  # beat is told nothing
    minutes_pass(clock, [beat], 1)

    assert len(moments()) == 1


def test_of_a_plain_task_nobody_knows_whether_it_works(beat, clock):
    guarded(task="probe.plain")

    minutes_pass(clock, [beat], 3)

    assert beat.sent == ["it"] * 3


# Missed times


def test_missed_times_are_left_out_and_it_is_written_which(beat, clock, caplog):
    row = schedule(crontab=daily(10, timezone=SHANGHAI))
    policy(row, misfire=Misfire.SKIP)
    clock.moves(hours=8)

    beat.looks()

    kept = SchedulePolicy.objects.get()
    assert moments() == []
    assert (kept.skipped_at, kept.skipped_why) == (clock.now, "missed 2026-03-02T02:00:00+00:00")
    assert "event=schedule_time_left_out" in caplog.text
    clock.moves(hours=17)
    beat.looks()
    assert moments() == ["2026-03-03T02:00:00.000000Z"]


def test_of_many_missed_times_the_one_that_is_not_late_runs(beat, clock):
    row = schedule(crontab=daily(10, timezone=SHANGHAI, day_of_week="*"))
    row.crontab.hour = "*"
    row.crontab.save()
    policy(row, misfire=Misfire.SKIP)
    clock.moves(hours=5, seconds=-20)  # 14:00:10 in Shanghai

    Beat().looks()

    assert moments() == ["2026-03-02T06:00:00.000000Z"]


@pytest.mark.parametrize(("late", "runs"), [(299, 1), (301, 0)])
def test_beat_may_come_as_late_as_the_grace_says(beat, clock, late, runs):
    row = schedule(crontab=daily(10, timezone=SHANGHAI))
    policy(row, misfire=Misfire.SKIP, grace_seconds=300)
    clock.now = dt.datetime(2026, 3, 2, 10, tzinfo=SHANGHAI) + dt.timedelta(seconds=late)

    beat.looks()

    assert len(moments()) == runs


def test_a_restart_of_beat_misses_nothing(beat, clock):
    row = schedule(crontab=daily(10, timezone=SHANGHAI))
    policy(row, misfire=Misfire.SKIP)
    clock.now = dt.datetime(2026, 3, 2, 10, 0, 45, tzinfo=SHANGHAI)

    Beat().looks()

    assert len(moments()) == 1


def test_missed_times_of_a_plain_task_are_left_out_too(beat, clock):
    row = schedule(task="probe.plain", crontab=daily(10, timezone=ZoneInfo("Asia/Shanghai")))
    policy(row, misfire=Misfire.SKIP)
    clock.moves(hours=8)

    beat.looks()

    assert beat.sent == []
    assert SchedulePolicy.objects.get().skipped_why.startswith("missed ")


def test_what_is_left_out_and_what_is_recorded_commit_with_the_schedules_row(
    beat, clock, monkeypatch
):
    row = guarded()
    minutes_pass(clock, [beat], 1)
    monkeypatch.setattr("neural.celeryapp.beat._log_left_out", _killed)
    clock.moves(seconds=61)
    with pytest.raises(SystemExit):
        beat.looks()

    row.refresh_from_db()
    assert (row.total_run_count, SchedulePolicy.objects.get().skipped_at) == (1, None)


def _killed(*arguments: Any) -> None:
    raise SystemExit
