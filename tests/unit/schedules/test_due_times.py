"""When schedules are due next, over the days on which clocks change: as beat finds them due."""

import datetime as dt
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask

from neural.kit.thresholds import USUAL
from neural.models import SchedulePolicy
from neural.schedules.state import ScheduleState
from tests.unit.schedules.beating import START, moments, schedule

pytestmark = pytest.mark.django_db

BERLIN, NEW_YORK, SHANGHAI = map(ZoneInfo, ("Europe/Berlin", "America/New_York", "Asia/Shanghai"))


def at(zone: ZoneInfo, *fields: int) -> dt.datetime:
    return dt.datetime(*fields, tzinfo=zone)


def cron(zone: ZoneInfo, text: str, since: dt.datetime, **fields: Any) -> PeriodicTask:
    minute, hour, day_of_month, month, day_of_week = text.split()
    crontab = CrontabSchedule.objects.create(
        minute=minute,
        hour=hour,
        day_of_month=day_of_month,
        month_of_year=month,
        day_of_week=day_of_week,
        timezone=zone,
    )
    row = schedule(crontab=crontab, saved_at=since, **fields)
    row.refresh_from_db()
    return row


def state(row: PeriodicTask, now: dt.datetime) -> ScheduleState:
    return ScheduleState(schedule=row, now=now, policy=SchedulePolicy(), thresholds=USUAL)


def next_due_times(row: PeriodicTask, now: dt.datetime, count: int) -> list[dt.datetime]:
    return list(islice(state(row, now).times_to_come(), count))


def due_since(row: PeriodicTask, now: dt.datetime) -> dt.datetime | None:
    return state(row, now).due_since


def told(times: list[dt.datetime], zone: ZoneInfo) -> list[str]:
    return [f"{each.astimezone(zone):%m-%d %H:%M %z}" for each in times]


CHANGES = [
    pytest.param(
        BERLIN,
        "30 3 * * *",
        at(BERLIN, 2026, 3, 28, 12),
        ["03-29 03:30 +0200", "03-30 03:30 +0200"],
    ),
    pytest.param(  # 2:30 does not exist that night
        BERLIN,
        "30 2 * * *",
        at(BERLIN, 2026, 3, 28, 12),
        ["03-29 03:30 +0200", "03-30 02:30 +0200"],
    ),
    pytest.param(  # 2:30 comes twice
        BERLIN,
        "30 2 * * *",
        at(BERLIN, 2026, 10, 24, 12),
        ["10-25 02:30 +0200", "10-26 02:30 +0100"],
    ),
    pytest.param(
        BERLIN,
        "0 4 * * *",
        at(BERLIN, 2026, 10, 24, 12),
        ["10-25 04:00 +0100", "10-26 04:00 +0100"],
    ),
    pytest.param(
        NEW_YORK,
        "30 3 * * *",
        at(NEW_YORK, 2026, 3, 7, 12),
        ["03-08 03:30 -0400", "03-09 03:30 -0400"],
    ),
    pytest.param(
        NEW_YORK,
        "30 1 * * *",
        at(NEW_YORK, 2026, 10, 31, 12),
        ["11-01 01:30 -0400", "11-02 01:30 -0500"],
    ),
    pytest.param(
        NEW_YORK,
        "0 5 * * 1",
        at(NEW_YORK, 2026, 10, 31, 12),
        ["11-02 05:00 -0500", "11-09 05:00 -0500"],
    ),
    pytest.param(
        SHANGHAI,
        "30 3 * * *",
        at(SHANGHAI, 2026, 3, 28, 12),
        ["03-29 03:30 +0800", "03-30 03:30 +0800"],
    ),
    pytest.param(
        BERLIN, "0 6 1 * *", at(BERLIN, 2026, 3, 15, 12), ["04-01 06:00 +0200", "05-01 06:00 +0200"]
    ),
]


@pytest.mark.parametrize(("zone", "text", "since", "expected"), CHANGES)
def test_due_times_are_those_of_the_schedules_own_clock(
    clock: Any, zone: ZoneInfo, text: str, since: dt.datetime, expected: list[str]
) -> None:
    assert told(next_due_times(cron(zone, text, since), since, 2), zone) == expected


@pytest.mark.parametrize("hours", ["*", "*/2", "2", "1-3"])
@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, SHANGHAI])
@pytest.mark.parametrize("day", [dt.date(2026, 3, 7), dt.date(2026, 3, 28), dt.date(2026, 10, 24),
                                 dt.date(2026, 10, 31)])  # fmt: skip
def test_beat_comes_at_these_times_and_at_no_other(
    beat: Any, clock: Any, zone: ZoneInfo, day: dt.date, hours: str
) -> None:
    since = dt.datetime.combine(day, dt.time(22, 10), tzinfo=zone).astimezone(dt.UTC)
    foretold = next_due_times(cron(zone, f"0,20 {hours} * * *", since), since, 14)
    clock.now = since
    beat.looks()

    while clock.now < foretold[-1]:
        clock.moves(minutes=10)
        beat.looks()

    assert moments() == [f"{each:%Y-%m-%dT%H:%M:%S.%fZ}" for each in foretold]


def test_an_interval_counts_from_the_last_run_and_an_overdue_one_from_now(clock: Any) -> None:
    row = schedule(last_run_at=START)
    soon = START + dt.timedelta(seconds=30)
    late = START + dt.timedelta(seconds=90)

    assert next_due_times(row, soon, 2) == [START + dt.timedelta(seconds=s) for s in (60, 120)]
    assert due_since(row, soon) is None
    assert next_due_times(row, late, 1) == [late + dt.timedelta(seconds=60)]
    assert due_since(row, late) == START + dt.timedelta(seconds=60)


def test_what_runs_once_is_due_once(clock: Any) -> None:
    when = START + dt.timedelta(hours=1)
    row = schedule(clocked=ClockedSchedule.objects.create(clocked_time=when), one_off=True)
    row.refresh_from_db()

    assert next_due_times(row, START, 5) == [when]
    assert next_due_times(row, when + dt.timedelta(seconds=1), 5) == []
    assert due_since(row, when + dt.timedelta(seconds=1)) == when


def test_nothing_is_due_before_its_start_after_its_end_or_switched_off(clock: Any) -> None:
    day = dt.timedelta(days=1)
    since = at(SHANGHAI, 2026, 3, 2, 0)
    begins = cron(SHANGHAI, "0 9 * * *", since, name="a", start_time=since + 3 * day)
    ends = cron(SHANGHAI, "0 9 * * *", since, name="b", expires=since + 2 * day)
    off = cron(SHANGHAI, "0 9 * * *", since, name="c", enabled=False)

    assert told(next_due_times(begins, since, 2), SHANGHAI)[0] == "03-05 00:00 +0800"
    assert told(next_due_times(ends, since, 5), SHANGHAI) == [
        "03-02 09:00 +0800",
        "03-03 09:00 +0800",
    ]
    assert next_due_times(off, since, 5) == []
    assert due_since(off, since + 9 * day) is None
