"""The form of a schedule: its policy, its rhythm in words, and a page without inline script."""

import re
from typing import Any

import pytest
from django.urls import reverse
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask, PeriodicTasks

from neural.models import AuditEntry, Misfire, Overlap, SchedulePolicy, TaskRun
from tests.unit.admin import admin_world as world
from tests.unit.schedules.beating import daily
from tests.unit.schedules.test_admin_schedules import audited, schedule, user_with

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def filled_in(row: PeriodicTask, **fields: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "task": row.task,
        "enabled": "on",
        "interval": row.interval_id or "",
        "crontab": row.crontab_id or "",
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
        "overlap": "allow",
        "misfire": "run_once",
        "grace_seconds": "",
        **fields,
    }


def save(client: Any, row: PeriodicTask, **fields: Any) -> Any:
    return client.post(world.page_of(row), filled_in(row, **fields), follow=True)


def errors_of(answer: Any) -> Any:
    return answer.context["adminform"].form.errors


def test_a_policy_is_edited_with_its_schedule_and_beat_is_told() -> None:
    row = schedule()
    read_before = PeriodicTasks.last_change()

    save(world.superuser(), row, overlap="skip", misfire="skip", grace_seconds="120")

    kept = SchedulePolicy.objects.get(pk=row.pk)
    assert (kept.overlap, kept.misfire, kept.grace_seconds) == (Overlap.SKIP, Misfire.SKIP, 120)
    assert PeriodicTasks.last_change() != read_before
    ((who, what, said),) = audited()
    assert (who, what) == ("root", str(row))
    assert "If its last run has not ended" in said


def test_the_form_shows_the_policy_that_is_in_force() -> None:
    row = schedule()
    SchedulePolicy.objects.create(schedule_id=row.pk, overlap=Overlap.SKIP, grace_seconds=90)

    page = world.superuser().get(world.page_of(row))

    form = page.context["adminform"].form
    assert [form[name].value() for name in ("overlap", "misfire", "grace_seconds")] == [
        "skip",
        "run_once",
        90,
    ]


def test_an_overlap_cannot_be_guarded_for_a_plain_task_and_the_form_says_why() -> None:
    row = schedule(task="celery.backend_cleanup")

    answer = save(world.superuser(), row, overlap="skip")

    (said,) = errors_of(answer)["overlap"]
    assert said.startswith("celery.backend_cleanup is no task on the ledger")
    assert not SchedulePolicy.objects.exists()
    assert save(world.superuser(), row, misfire="skip").redirect_chain


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"kwargs": '{"model_typo": 1}'}, "unexpected keyword argument 'model_typo'"),
        ({"args": '{"since": "2026-03-02"}'}, "no JSON list"),
        ({"kwargs": "[]"}, "no JSON object"),
        ({"priority": "0"}, "priority must be from 1 to 10"),
        ({"queue": "defualt"}, "there is no queue"),
        ({"exchange": "elsewhere"}, "the ledger does not keep exchange"),
        ({"task": "celery.backend_cleanup", "args": "[1]"}, "argument"),
    ],
)
def test_a_schedule_that_would_be_refused_is_refused_at_the_door(fields: Any, said: str) -> None:
    row = schedule()

    answer = save(world.superuser(), row, **fields)

    (told,) = errors_of(answer)["__all__"]
    assert told.startswith("It would be refused each time it is due: ")
    assert said in told
    assert not TaskRun.objects.exists()
    row.refresh_from_db()
    assert (row.args, row.kwargs, row.queue) == ("[]", "{}", None)


def test_a_schedule_that_may_run_is_only_tried_out() -> None:
    row = schedule()

    assert save(world.superuser(), row, kwargs='{"since": "2026-03-02"}').redirect_chain
    assert save(world.superuser(), row, task="elsewhere.clean", args='["x"]').redirect_chain
    assert save(world.superuser(), row, task="celery.backend_cleanup").redirect_chain

    assert not TaskRun.objects.exists()


def test_a_schedule_is_switched_off_with_a_reason_also_if_it_would_be_refused() -> None:
    row = schedule(kwargs='{"model_typo": 1}')
    off = filled_in(row, kwargs=row.kwargs) | {"enabled": ""}

    answer = world.superuser().post(world.page_of(row), off)
    assert set(errors_of(answer)) == {"reason"}

    world.superuser().post(world.page_of(row), off | {"reason": "the task is gone"})
    row.refresh_from_db()
    assert not row.enabled
    entry = AuditEntry.objects.get(action="schedule.change")
    assert (entry.reason, entry.details["switched"]) == ("the task is gone", {"enabled": False})


@pytest.mark.parametrize("seconds", ["9", "86401", "nan"])
def test_a_grace_that_makes_no_sense_is_refused(seconds: str) -> None:
    row = schedule()

    answer = save(world.superuser(), row, misfire="skip", grace_seconds=seconds)

    assert set(errors_of(answer)) == {"grace_seconds"}


def test_a_form_without_these_fields_leaves_the_policy_alone() -> None:
    row = schedule()
    SchedulePolicy.objects.create(schedule_id=row.pk, overlap=Overlap.SKIP)
    sent = filled_in(row)
    for name in ("overlap", "misfire", "grace_seconds"):
        del sent[name]

    world.superuser().post(world.page_of(row), sent)

    assert SchedulePolicy.objects.get().overlap == Overlap.SKIP


def test_who_may_only_look_sees_the_policy_and_changes_nothing() -> None:
    row = schedule()
    SchedulePolicy.objects.create(schedule_id=row.pk, overlap=Overlap.SKIP)
    client = world.logged_in(user_with())

    page = client.get(world.page_of(row)).content.decode()
    refused = client.post(world.page_of(row), filled_in(row))

    assert "leave this time out" in page
    assert refused.status_code == 403
    assert SchedulePolicy.objects.get().overlap == Overlap.SKIP


def test_a_new_schedule_gets_its_policy_with_it() -> None:
    draft = PeriodicTask(name="new", task="neural.tasks.analyse_demand", crontab=daily(3))
    address = reverse("admin:django_celery_beat_periodictask_add")

    world.superuser().post(address, filled_in(draft, overlap="skip"))

    assert SchedulePolicy.objects.get().schedule_id == PeriodicTask.objects.get(name="new").pk


def test_the_form_has_no_script_in_the_page_and_tells_rhythms_in_words() -> None:
    row = schedule("daily")
    PeriodicTask.objects.filter(pk=row.pk).update(interval=None, crontab=daily(3, 30))

    page = world.superuser().get(world.page_of(row)).content.decode()

    inline = re.findall(r"<script(?![^>]*(?:src=|type=\"application/json\"))", page)
    assert inline == []
    assert "neural/schedule_form.js" in page
    assert "daily at 03:30" in page


@pytest.mark.parametrize("model", ["periodictask", "clockedschedule"])
def test_every_input_of_a_date_or_a_time_has_a_label(model: str) -> None:
    address = reverse(f"admin:django_celery_beat_{model}_add")

    page = world.superuser().get(address).content.decode()

    inputs = re.findall(r"<input[^>]*class=\"v(?:Date|Time)Field\"[^>]*>", page)
    assert inputs
    assert all("aria-label=" in each for each in inputs)


def test_lists_show_times_and_rhythms_as_everywhere_else() -> None:
    row = schedule(last_run_at="2026-03-02T01:01:30Z")
    ClockedSchedule.objects.create(clocked_time="2026-03-02T01:01:30Z")
    CrontabSchedule.objects.create(minute="5", hour="4", day_of_week="1")

    client = world.superuser()
    listed = {
        model: client.get(reverse(f"admin:django_celery_beat_{model}_changelist")).content.decode()
        for model in ("periodictask", "clockedschedule", "crontabschedule")
    }

    assert "every day" in listed["periodictask"]
    for model in ("periodictask", "clockedschedule"):
        assert '<time datetime="2026-03-02' in listed[model]
    assert "only on Monday" in listed["crontabschedule"]
    assert row
