"""Whatever a person does on the pages of django-celery-beat and -results needs its permission, and
leaves an entry that says who did it."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_results.models import GroupResult, TaskResult

from tests.unit.admin import admin_world as world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture(autouse=True)
def content_types() -> None:
    """Entries name a content type, of which a test before may have left an old one in the cache."""
    ContentType.objects.clear_cache()


CRONTAB = {"minute": "1", "hour": "2", "day_of_month": "*", "month_of_year": "*"}
NO_SCHEDULES = {"periodictask_set-TOTAL_FORMS": "0", "periodictask_set-INITIAL_FORMS": "0"}
FORMS: dict[type[Model], dict[str, Any]] = {
    IntervalSchedule: {"every": "7", "period": "days"},
    CrontabSchedule: {**CRONTAB, "day_of_week": "*", "timezone": "UTC"},
    ClockedSchedule: {"clocked_time_0": "2026-03-02", "clocked_time_1": "09:00:00"},
    SolarSchedule: {"event": "sunset", "latitude": "31", "longitude": "121"},
    PeriodicTask: {"task": "probe.count", "args": "[]", "kwargs": "{}", "headers": "{}"},
}
DELETABLE = [*FORMS, TaskResult, GroupResult]


def row_of(model: type[Model]) -> Any:
    if model is PeriodicTask:
        return PeriodicTask.objects.create(
            name="it", task="probe.count", interval=row_of(IntervalSchedule)
        )
    made = {
        IntervalSchedule: lambda: IntervalSchedule.objects.create(every=3, period="hours"),
        CrontabSchedule: lambda: CrontabSchedule.objects.create(hour="3"),
        ClockedSchedule: lambda: ClockedSchedule.objects.create(clocked_time=timezone.now()),
        SolarSchedule: lambda: SolarSchedule.objects.create(
            event="sunrise", latitude=1, longitude=2
        ),
        TaskResult: lambda: TaskResult.objects.create(task_id="t"),
        GroupResult: lambda: GroupResult.objects.create(
            group_id="g", content_type="application/json", content_encoding="utf-8"
        ),
    }
    return made[model]()


def filled_in(model: type[Model]) -> dict[str, Any]:
    fields = {**FORMS[model], **NO_SCHEDULES}
    if model is PeriodicTask:
        fields |= {"name": "it", "enabled": "on"}
        fields["interval"] = IntervalSchedule.objects.get_or_create(every=3, period="hours")[0].pk
    return fields


def address(model: type[Model], page: str, *arguments: Any) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=arguments)


def client_with(*actions: str, stores: Sequence[str] | None = None) -> Any:
    """Who may view all of these pages, and do what is named."""
    user = get_user_model().objects.create_user("lee", is_staff=True)
    apps = ("django_celery_beat", "django_celery_results")
    theirs = Permission.objects.filter(content_type__app_label__in=apps)
    for action in ("view", *actions):
        user.user_permissions.add(*theirs.filter(codename__startswith=f"{action}_"))
    if stores is None:
        user.user_permissions.add(Permission.objects.get(codename="view_every_store"))
    for code in stores or ():
        world.store(code).operators.add(user)
    return world.logged_in(user)


def entries() -> list[tuple[str, int]]:
    found = LogEntry.objects.order_by("pk")
    return list(found.values_list("user__username", "action_flag"))


@pytest.mark.parametrize("model", FORMS)
def test_adding_leaves_an_entry(model: type[Model]) -> None:
    client_with("add", "change").post(address(model, "add"), filled_in(model))

    assert entries() == [("lee", ADDITION)]


@pytest.mark.parametrize("model", FORMS)
def test_changing_leaves_an_entry(model: type[Model]) -> None:
    row = row_of(model)

    client_with("change").post(address(model, "change", row.pk), filled_in(model))

    assert entries() == [("lee", CHANGE)]


@pytest.mark.parametrize("model", DELETABLE)
@pytest.mark.parametrize("how", ["one", "selected"])
def test_deleting_leaves_an_entry(model: type[Model], how: str) -> None:
    row = row_of(model)
    client = client_with("delete")

    if how == "one":
        client.post(address(model, "delete", row.pk), {"post": "yes"})
    else:
        chosen = world.selection("delete_selected", row, post="yes")
        client.post(address(model, "changelist"), chosen)

    assert not model._default_manager.filter(pk=row.pk).exists()
    assert entries() == [("lee", DELETION)]


@pytest.mark.parametrize("how", ["one", "selected"])
def test_schedules_that_are_deleted_with_their_rhythm_have_entries_too(how: str) -> None:
    schedule = row_of(PeriodicTask)
    rhythm, client = schedule.interval, client_with("delete")

    if how == "one":
        client.post(address(IntervalSchedule, "delete", rhythm.pk), {"post": "yes"})
    else:
        chosen = world.selection("delete_selected", rhythm, post="yes")
        client.post(address(IntervalSchedule, "changelist"), chosen)

    assert not PeriodicTask.objects.filter(pk=schedule.pk).exists()
    told = set(LogEntry.objects.values_list("object_repr", "content_type__model"))
    assert told == {(str(schedule), "periodictask"), (str(rhythm), "intervalschedule")}


def attempts(client: Any, model: type[Model], row: Any) -> list[int]:
    """Everything that could be tried; the answers' codes."""
    form = filled_in(model) if model in FORMS else {}
    tried = [
        client.post(address(model, "add"), form),
        client.post(address(model, "change", row.pk), form),
        client.post(address(model, "delete", row.pk), {"post": "yes"}),
        client.post(
            address(model, "changelist"), world.selection("delete_selected", row, post="yes")
        ),
    ]
    return [answer.status_code for answer in tried]


@pytest.mark.parametrize("model", DELETABLE)
def test_who_may_only_view_does_nothing(model: type[Model]) -> None:
    row = row_of(model)

    codes = attempts(client_with(), model, row)

    assert codes[:3] == [403, 403, 403]
    assert model._default_manager.filter(pk=row.pk).exists()
    assert entries() == []


@pytest.mark.parametrize("stores", [["S1"], []], ids=["of one store", "of no store"])
@pytest.mark.parametrize("model", DELETABLE)
def test_who_does_not_see_every_store_does_nothing_with_every_other_permission(
    model: type[Model], stores: list[str]
) -> None:
    row = row_of(model)
    client = client_with("add", "change", "delete", stores=stores)

    codes = attempts(client, model, row)

    assert codes[:3] == [403, 403, 403]
    assert model._default_manager.filter(pk=row.pk).exists()
    assert entries() == []
