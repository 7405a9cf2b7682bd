"""The page of schedules: what is due when, how it went last, whether beat lives, and run now."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import (
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from neural.models import (
    AuditEntry,
    Misfire,
    ProcessKind,
    RunState,
    SchedulePolicy,
    SkipReason,
    TaskRun,
    WorkerProcess,
)
from neural.monitoring.console.schedules import NIGHTLY_SHOWN, nightly_work
from neural.schedules import state
from neural.schedules.runs import run_id, run_id_by_hand, runs_of
from neural.schedules.state import overdue
from tests.unit.admin import admin_world as world
from tests.unit.schedules.beating import daily
from tests.unit.schedules.test_admin_schedules import audited

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

PAGE = "admin:neural_schedulepolicy_changelist"
UTC = ZoneInfo("UTC")
ANALYSIS = "neural.tasks.analyse_demand"


@pytest.fixture(autouse=True)
def _no_schedule_yet(db: None) -> None:
    PeriodicTask.objects.all().delete()  # what migrations put there


def schedule(name: str = "nightly", **fields: Any) -> PeriodicTask:
    if not fields.keys() & {"crontab", "interval", "solar"}:
        fields["crontab"] = daily(2, timezone=UTC)
    return PeriodicTask.objects.create(name=name, **{"task": ANALYSIS, **fields})


def user_with(*permissions: str, name: str = "lee") -> Any:
    user = get_user_model().objects.create_user(name, is_staff=True)
    names = ("view_periodictask", "view_taskrun", *permissions)
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


def viewer(*permissions: str) -> Client:
    return world.logged_in(user_with("view_every_store", *permissions))


def shown(client: Client, **options: Any) -> str:
    answer = client.get(reverse(PAGE), **options)
    assert answer.status_code == 200
    return answer.content.decode()


def run_of(row: PeriodicTask, state: str = RunState.SUCCEEDED, **fields: Any) -> TaskRun:
    now = timezone.now()
    fields.setdefault("task_id", run_id(row.pk, now))
    fields.setdefault("task", row.task)
    return world.run(state, store=None, **fields)


def beat(**fields: Any) -> WorkerProcess:
    values = {"name": "beat@h", "host": "h", "process_id": 1, "kind": ProcessKind.BEAT}
    return WorkerProcess.objects.create(**values | fields)


def test_a_schedule_is_told_in_words_with_its_next_times_and_its_last_outcome() -> None:
    row = schedule()
    started = timezone.now() - dt.timedelta(minutes=3)
    run = run_of(row, RunState.DEAD, started_at=started, finished_at=timezone.now())

    page = shown(viewer())

    assert "daily at 02:00, UTC" in page
    assert "Analyse demand" in page
    assert world.page_of(run) in page
    assert "3 min 0 s" in page
    context_row = viewer_context(row)
    assert [f"{each:%H:%M}" for each in context_row.upcoming] == ["02:00"] * 5


def viewer_context(row: PeriodicTask) -> Any:
    client = world.superuser()
    found = client.get(reverse(PAGE)).context["rows"]
    return next(each for each in found if each.schedule == row)


def test_it_is_told_in_chinese_too() -> None:
    schedule()
    schedule("weekly", crontab=daily(4, day_of_week="1,5", timezone=UTC))

    page = shown(viewer(), headers={"accept-language": "zh-hans"})

    assert "星期一" in page
    assert "星期五" in page
    assert "Monday" not in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "beat@h was heard of"),
        ({"stopped_at": timezone.now()}, "No beat is running"),
        ({"lost_at": timezone.now()}, "Beat is silent"),
        ({"heartbeat_at": timezone.now() - dt.timedelta(minutes=5)}, "Beat is silent"),
    ],
)
def test_it_says_whether_beat_lives(fields: Any, said: str) -> None:
    beat(**fields)

    assert said in shown(viewer())


def test_it_says_that_no_beat_was_ever_heard_of() -> None:
    assert "No beat has been heard of" in shown(viewer())


def test_what_beat_has_not_come_to_is_overdue_and_what_is_off_is_not() -> None:
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="hours")
    hours_ago = timezone.now() - dt.timedelta(hours=3)
    schedule("late", interval=every, last_run_at=hours_ago)
    schedule("off", interval=every, enabled=False)

    page = shown(viewer())

    assert "1 schedule is overdue." in page
    assert page.count("overdue since") == 1
    assert "switched off" in page


def test_a_schedule_that_cannot_be_computed_hides_no_other() -> None:
    solar = SolarSchedule.objects.create(event="sunset", latitude=31, longitude=121)
    schedule("evening", solar=solar)
    schedule()

    page = shown(viewer())

    assert "ephem" in page
    assert "daily at 02:00" in page


def test_a_time_that_was_left_out_is_told_with_its_reason() -> None:
    row = schedule()
    SchedulePolicy.objects.create(
        schedule_id=row.pk,
        misfire=Misfire.SKIP,
        skipped_at=timezone.now(),
        skipped_why="missed 2026-03-02T02:00:00+00:00",
    )

    page = shown(viewer())

    assert "missed times are left out" in page
    assert "beat came too late" in page


def test_the_history_has_beats_runs_and_those_asked_for_by_hand_and_no_others() -> None:
    rows = [schedule(f"schedule {number}") for number in range(12)]
    first = rows[0]
    yesterday = timezone.now() - dt.timedelta(days=1)
    theirs = [
        run_of(first, task_id=run_id(first.pk, yesterday), requested_by=first.name),
        run_of(first, task_id=run_id_by_hand(first.pk, timezone.now()), requested_by="lee"),
    ]
    for each in rows[1:]:
        run_of(each)
    client = viewer()

    answer = client.get(f"{reverse(PAGE)}{first.pk}/change/")

    assert answer.context["runs"] == theirs[::-1]
    assert list(runs_of(first.pk)) == theirs[::-1]
    assert [run.due_at for run in answer.context["runs"]][1] == yesterday


def test_a_run_is_asked_for_in_ones_own_name_also_of_what_is_off() -> None:
    row = schedule(enabled=False, queue="low_priority", priority=3)
    client = viewer("run_schedule")

    answer = client.post(f"{reverse(PAGE)}{row.pk}/run/", follow=True)

    run = TaskRun.objects.get()
    assert (run.requested_by, run.queue, run.priority) == ("lee", "low_priority", 3)
    assert audited() == [("lee", str(row), "Changed runs: one more (run now).")]
    assert [str(each) for each in answer.context["messages"]] == ["1 run asked for."]
    assert runs_of(row.pk).get() == run


def test_a_schedule_is_switched_off_and_on_and_it_is_written_who_did() -> None:
    row = schedule()
    client = viewer("change_periodictask")

    client.post(f"{reverse(PAGE)}{row.pk}/switch/disable_tasks/")
    row.refresh_from_db()
    assert row.enabled  # without a reason nothing is done
    client.post(f"{reverse(PAGE)}{row.pk}/switch/disable_tasks/", {"reason": "the oven"})
    row.refresh_from_db()
    assert not row.enabled
    client.post(f"{reverse(PAGE)}{row.pk}/switch/enable_tasks/", {"from": row.pk})
    row.refresh_from_db()

    assert row.enabled
    assert [entry[2] for entry in audited()] == [
        "Changed state: on → off (switch off) and the oven.",
        "Changed state: off → on (switch on).",
    ]


@pytest.mark.parametrize("by", ["button", "list", "form"])
def test_what_is_switched_off_says_by_whom_since_when_and_why(by: str) -> None:
    row = schedule()
    client = viewer("change_periodictask")
    if by == "button":
        client.post(f"{reverse(PAGE)}{row.pk}/switch/disable_tasks/", {"reason": "the oven"})
    elif by == "list":
        sent = world.selection("toggle_tasks", row, reason="the oven")
        client.post(reverse("admin:django_celery_beat_periodictask_changelist"), sent)
    else:
        form = {"name": row.name, "task": row.task, "crontab": row.crontab_id, "reason": "the oven"}
        json = {"args": "[]", "kwargs": "{}", "headers": "{}"}
        assert client.post(world.page_of(row), form | json).status_code == 302
    since = AuditEntry.objects.latest("pk").at

    told = f"switched off by lee at {timezone.localtime(since):%Y-%m-%d %H:%M}: the oven"
    assert told in shown(viewer_of("kim"))
    page = viewer_of("sue").get(f"{reverse(PAGE)}{row.pk}/change/").content.decode()
    assert told.capitalize() in page


def viewer_of(name: str) -> Client:
    return world.logged_in(user_with("view_every_store", name=name))


def test_what_was_switched_off_by_no_person_does_not_blame_who_did_it_once() -> None:
    row = schedule()
    client = viewer("change_periodictask")
    client.post(f"{reverse(PAGE)}{row.pk}/switch/disable_tasks/", {"reason": "the oven"})
    client.post(f"{reverse(PAGE)}{row.pk}/switch/enable_tasks/")
    PeriodicTask.objects.update(enabled=False)

    assert "switched off, nobody knows by whom" in shown(client)


def test_a_due_time_that_was_refused_is_no_run_and_says_why() -> None:
    row = schedule(last_run_at=timezone.now() - dt.timedelta(days=2))
    PeriodicTask.objects.update(date_changed=timezone.now() - dt.timedelta(days=3))
    refused(row)

    page = shown(viewer())

    assert "refused: TypeError: no model_typo" in page
    assert "overdue since" in page
    one = viewer_of("kim").get(f"{reverse(PAGE)}{row.pk}/change/").content.decode()
    assert "refused: TypeError: no model_typo" in one

    row.refresh_from_db()
    row.save()  # edited: it may be right now
    assert "refused: TypeError" not in shown(viewer_of("sue"))


def refused(row: PeriodicTask) -> None:
    now = timezone.now()
    SchedulePolicy.record_skip(row.pk, SkipReason.REFUSED, "TypeError: no model_typo", now)


@pytest.mark.parametrize("act", ["run", "switch/disable_tasks", "switch/toggle_tasks"])
@pytest.mark.parametrize("who", ["viewer", "of_a_store", "of_no_store"])
def test_without_permission_or_every_store_nothing_is_done(act: str, who: str) -> None:
    row = schedule()
    doing = ("view_every_store",) if who == "viewer" else ("run_schedule", "change_periodictask")
    user = user_with(*doing)
    if who == "of_a_store":
        world.store("S1").operators.add(user)

    answer = world.logged_in(user).post(f"{reverse(PAGE)}{row.pk}/{act}/")

    row.refresh_from_db()
    assert answer.status_code == 403
    assert row.enabled
    assert not TaskRun.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("act", ["run", "switch/disable_tasks"])
def test_nothing_is_done_by_a_mere_link(act: str) -> None:
    row = schedule()

    answer = world.superuser().get(f"{reverse(PAGE)}{row.pk}/{act}/")

    assert answer.status_code == 405
    assert not TaskRun.objects.exists()


def test_who_may_not_see_schedules_sees_no_page_and_no_nightly_work() -> None:
    row = schedule()
    user = get_user_model().objects.create_user("no", is_staff=True)
    client = world.logged_in(user)

    assert client.get(reverse(PAGE)).status_code == 403
    assert client.get(f"{reverse(PAGE)}{row.pk}/change/").status_code == 403
    assert nightly_work(user) == ()


def test_a_stores_user_sees_only_runs_of_the_own_stores() -> None:
    row = schedule()
    run_of(row)
    user = user_with()
    world.store("S1").operators.add(user)

    page = world.logged_in(user).get(reverse(PAGE))
    history = world.logged_in(user).get(f"{reverse(PAGE)}{row.pk}/change/")

    assert [each.last_run for each in page.context["rows"]] == [None]
    assert history.context["runs"] == []


def test_nightly_work_is_what_comes_once_a_day_or_more_rarely() -> None:
    row = schedule()
    schedule("hourly", crontab=CrontabSchedule.objects.create(minute="17", timezone=UTC))
    run = run_of(row)

    (found,) = nightly_work(user_with("view_every_store"))

    assert (found.name, found.last_run, found.took) == ("nightly", run, run.duration)
    assert found.next_at > timezone.now()


def test_nightly_work_that_is_switched_off_stays_below_what_is_on_and_what_has_ended_goes() -> None:
    off = schedule("a switched off", enabled=False)
    on = schedule("z on")
    often = IntervalSchedule.objects.create(every=10, period="seconds")
    schedule("often", interval=often, enabled=False)
    schedule("once", one_off=True, enabled=False)
    schedule("ended", expires=timezone.now(), enabled=False)

    found = nightly_work(user_with("view_every_store"))

    assert [row.schedule for row in found] == [on, off]
    assert [bool(row.off) for row in found] == [False, True]


def test_nightly_work_is_found_behind_any_number_of_schedules_that_come_often() -> None:
    every = IntervalSchedule.objects.create(every=10, period="seconds")
    for number in range(60):
        schedule(f"a{number:02}", interval=every)
    mondays = CrontabSchedule.objects.create(day_of_week="1", hour="4", minute="0", timezone=UTC)
    weekly = schedule("z weekly", crontab=mondays)
    daily = schedule("z daily")

    found = nightly_work(user_with("view_every_store"))

    assert {row.schedule.pk for row in found} == {weekly.pk, daily.pk}


def test_of_many_nightly_schedules_those_overdue_come_first_and_then_the_next() -> None:
    now = timezone.now()
    late = schedule("late", last_run_at=now - dt.timedelta(days=3))
    for number in range(20):
        schedule(f"a{number:02}", last_run_at=now)

    found = nightly_work(user_with("view_every_store"))

    assert len(found) == NIGHTLY_SHOWN
    assert found[0].schedule.pk == late.pk
    assert found[0].overdue_since is not None


def test_what_is_overdue_is_told_on_every_page() -> None:
    for number in range(55):
        schedule(f"a{number:02}")
    late = schedule("z late", last_run_at=timezone.now() - dt.timedelta(days=3))

    page = world.superuser().get(reverse(PAGE)).content.decode()

    assert "1 schedule is overdue." in page
    assert f'{late.pk}/change/">z late</a>' in page


def test_the_times_of_a_bounded_number_of_schedules_are_computed(monkeypatch) -> None:
    monkeypatch.setattr(state, "MOST_LOOKED_AT", 5)
    for number in range(20):
        schedule(f"a{number:02}", last_run_at=timezone.now())
    late = schedule("z late", last_run_at=timezone.now() - dt.timedelta(days=3))
    looked: list[str] = []
    real = state.first_due
    monkeypatch.setattr(state, "first_due", lambda row: looked.append(row.name) or real(row))

    assert [each.schedule for each in overdue(timezone.now())] == [late]
    assert len(looked) == 5


def test_the_number_of_statements_does_not_grow_with_schedules_and_runs() -> None:
    row = schedule()
    run_of(row)
    client = world.superuser()
    before = len(world.statements(client, reverse(PAGE)))
    for number in range(20):
        other = schedule(f"more {number}")
        for minute in range(5):
            at = timezone.now() - dt.timedelta(minutes=minute)
            run_of(other, task_id=run_id(other.pk, at))

    assert len(world.statements(client, reverse(PAGE))) == before
    assert before <= 16


def test_schedules_come_in_pages() -> None:
    for number in range(55):
        schedule(f"s{number:02}")
    client = world.superuser()

    first = client.get(reverse(PAGE))
    second = client.get(f"{reverse(PAGE)}?{first.context['next_query']}")

    assert [len(each.context["rows"]) for each in (first, second)] == [50, 5]
    assert client.get(reverse(PAGE) + "?after=%00").status_code == 400


def test_one_schedule_or_those_that_are_off_are_shown_by_themselves() -> None:
    for number in range(55):
        schedule(f"s{number:02}", enabled=number < 54)
    schedule("t & u")
    client = world.superuser()

    one = client.get(reverse(PAGE), {"name": "t & u"})
    off = client.get(reverse(PAGE), {"off": 1})

    names = [[row.name for row in each.context["rows"]] for each in (one, off)]
    assert names == [["t & u"], ["s54"]]
    assert 'hx-get="/admin/neural/schedulepolicy/?name=t+%26+u"' in one.content.decode()
    assert "All schedules" in one.content.decode()


def test_the_page_holds_no_script_and_no_style_of_its_own() -> None:
    schedule()
    client = world.superuser()

    for address in (reverse(PAGE), f"{reverse(PAGE)}{PeriodicTask.objects.get().pk}/change/"):
        page = client.get(address).content.decode()
        assert "style=" not in page.partition("<main")[2]
        assert "<script>" not in page
        assert "onclick" not in page


def test_the_part_that_refreshes_is_the_table_alone() -> None:
    schedule()

    part = shown(viewer(), headers={"HX-Request": "true"})

    assert part.lstrip().startswith('<div id="schedules"')
    assert "<html" not in part


def test_addresses_are_numbers_without_separators(settings: Any) -> None:
    settings.USE_THOUSAND_SEPARATOR = True
    row = schedule(pk=123_456)
    client = viewer("run_schedule", "change_periodictask")

    for text in (shown(client), client.get(f"{reverse(PAGE)}{row.pk}/change/").content.decode()):
        assert "/123456/run/" in text
        assert "/123456/switch/" in text
        assert "123,456" not in text
