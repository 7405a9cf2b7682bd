"""Schedules of django-celery-beat: switched and run by who may, and it is written who did."""

import datetime as dt
from typing import Any

import pytest
from celery import current_app
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

from neural.forecasting.models import TrainingRound
from neural.models import TaskRun
from neural.schedules.admin.schedules import SchedulesAdmin
from neural.schedules.entries import LedgerEntry
from neural.schedules.runs import options_of, runs_of
from tests.unit.admin import admin_world as world
from tests.unit.forecasting import learning_world as learning

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

LIST = "admin:django_celery_beat_periodictask_changelist"


def schedule(name: str = "nightly", **fields: Any) -> PeriodicTask:
    every, _ = IntervalSchedule.objects.get_or_create(every=1, period="days")
    fields.setdefault("task", "neural.tasks.analyse_demand")
    return PeriodicTask.objects.create(name=name, interval=every, **fields)


def user_with(*permissions: str, name: str = "lee", every_store: bool = True) -> Any:
    user = get_user_model().objects.create_user(name, is_staff=True)
    named = ("view_periodictask", *permissions, *(["view_every_store"] if every_store else []))
    user.user_permissions.set(Permission.objects.filter(codename__in=named))
    return user


def act(user: Any, action: str, *rows: PeriodicTask, reason: str = "") -> list[str]:
    """What the person is told."""
    client = world.logged_in(user)
    sent = world.selection(action, *rows, reason=reason)
    answer = client.post(reverse(LIST), sent, follow=True)
    return [str(message) for message in answer.context["messages"]]


def audited() -> list[tuple[str, str, str]]:
    entries = LogEntry.objects.select_related("user").order_by("pk")
    return [
        (each.user.get_username(), each.object_repr, each.get_change_message()) for each in entries
    ]


@pytest.mark.parametrize(
    ("action", "was", "becomes", "said"),
    [
        ("enable_tasks", False, True, "Changed state: off → on (switch on)."),
        ("disable_tasks", True, False, "Changed state: on → off (switch off)."),
        ("toggle_tasks", True, False, "Changed state: on → off (switch off)."),
    ],
)
def test_who_may_change_schedules_switches_them_and_it_is_written_who_did(
    action: str, was: bool, becomes: bool, said: str
) -> None:
    chosen, left = schedule(enabled=was), schedule("other", enabled=was)
    read_before = PeriodicTasks.last_change()

    act(user_with("change_periodictask"), action, chosen, reason="" if becomes else "the oven")

    chosen.refresh_from_db()
    left.refresh_from_db()
    assert (chosen.enabled, left.enabled) == (becomes, was)
    ((who, what, told),) = audited()
    assert (who, what) == ("lee", str(chosen))
    assert told == (said if becomes else said.replace(").", ") and the oven."))
    assert PeriodicTasks.last_change() != read_before  # beat reads them again


@pytest.mark.parametrize("action", ["disable_tasks", "toggle_tasks"])
def test_nothing_is_switched_off_without_a_reason(action: str) -> None:
    chosen = schedule()

    (told,) = act(user_with("change_periodictask"), action, chosen)

    chosen.refresh_from_db()
    assert chosen.enabled
    assert "needs a reason" in told
    assert audited() == []


def test_what_is_switched_over_and_was_off_goes_on() -> None:
    chosen = schedule(enabled=False)

    act(user_with("change_periodictask"), "toggle_tasks", chosen, reason="mended")

    chosen.refresh_from_db()
    assert chosen.enabled


def test_what_is_already_so_is_left_and_not_written_down() -> None:
    told = act(user_with("change_periodictask"), "enable_tasks", schedule(enabled=True))

    assert told == [
        "Switch on: 1 was not in a state that allows it and was left as it is.",
    ]
    assert audited() == []


def test_a_run_is_asked_for_in_the_persons_name() -> None:
    chosen = schedule(priority=7, queue="low_priority")

    told = act(user_with("run_schedule"), "run_tasks", chosen)

    run = TaskRun.objects.get()
    assert (run.task, run.requested_by, run.queue, run.priority) == (
        "neural.tasks.analyse_demand",
        "lee",
        "low_priority",
        7,
    )
    assert audited() == [("lee", str(chosen), "Changed runs: one more (run now).")]
    assert told == ["1 run asked for."]


def test_run_now_takes_every_option_of_the_schedule_as_beat_does() -> None:
    chosen = schedule(
        enabled=False,
        kwargs='{"since": "2026-03-02"}',
        headers='{"why": "audit"}',
        expire_seconds=600,
        priority=2,
        queue="low_priority",
    )
    before = timezone.now()

    act(user_with("run_schedule"), "run_tasks", chosen)

    run = TaskRun.objects.get()
    assert run.kwargs == {"since": "2026-03-02"}
    assert run.options["headers"] == {"why": "audit", "periodic_task_name": "nightly"}
    assert run.expires_at is not None
    assert dt.timedelta(seconds=590) < run.expires_at - before < dt.timedelta(seconds=620)
    assert (run.queue, run.priority, run.requested_by) == ("low_priority", 2, "lee")
    assert options_of(chosen) == LedgerEntry(chosen, app=current_app).options


def test_a_schedule_that_has_ended_is_run_all_the_same_and_does_not_expire() -> None:
    chosen = schedule(expires=timezone.now() - dt.timedelta(days=1))

    act(user_with("run_schedule"), "run_tasks", chosen)

    assert TaskRun.objects.get().expires_at is None


def test_an_exchange_is_refused_for_a_ledger_task_as_when_beat_asks() -> None:
    chosen = schedule(exchange="elsewhere", routing_key="there")

    (told,) = act(user_with("run_schedule"), "run_tasks", chosen)

    assert "the ledger does not keep exchange, routing_key" in told
    assert audited() == []


def test_a_plain_task_gets_exchange_routing_key_and_expiry(monkeypatch: Any) -> None:
    sent: list[dict[str, Any]] = []
    task = current_app.tasks["celery.backend_cleanup"]
    answer = type("Answer", (), {"id": "1"})
    monkeypatch.setattr(
        type(task), "apply_async", lambda self, args, kwargs, **given: sent.append(given) or answer
    )
    chosen = schedule(
        task=task.name, exchange="elsewhere", routing_key="there", expire_seconds=60, priority=0
    )

    act(user_with("run_schedule"), "run_tasks", chosen)

    assert sent == [
        {
            "exchange": "elsewhere",
            "routing_key": "there",
            "expires": 60,
            "priority": 0,
            "headers": {"periodic_task_name": "nightly"},
        }
    ]


def test_a_plain_task_is_not_sent_to_a_broker_that_accepts_nothing_and_the_person_is_told(
    monkeypatch: Any, fake_broker: Any
) -> None:
    sent: list[str] = []
    plain = current_app.tasks["celery.backend_cleanup"]
    monkeypatch.setattr(type(plain), "apply_async", lambda self, *given, **options: sent.append(""))
    fake_broker.away = True

    (told,) = act(user_with("run_schedule"), "run_tasks", schedule(task=plain.name))

    assert told.startswith("nightly was not run: the broker accepts no message now")
    assert sent == []
    assert audited() == []


def test_a_ledger_tasks_run_is_kept_while_the_broker_is_away(fake_broker: Any) -> None:
    fake_broker.away = True

    assert act(user_with("run_schedule"), "run_tasks", schedule()) == ["1 run asked for."]
    assert TaskRun.objects.count() == 1


def test_two_people_who_run_the_same_schedule_get_a_run_each() -> None:
    chosen = schedule()
    for name in ("lee", "kim"):
        act(user_with("run_schedule", name=name), "run_tasks", chosen)

    runs = runs_of(chosen.pk)

    assert [run.requested_by for run in runs] == ["kim", "lee"]


@pytest.mark.parametrize("given", ["change_periodictask", "view_taskrun"])
def test_running_needs_a_permission_of_its_own(given: str) -> None:
    act(user_with(given), "run_tasks", schedule())

    assert not TaskRun.objects.exists()
    assert audited() == []


def test_what_cannot_be_run_is_told_and_keeps_no_other_from_running() -> None:
    rows = [
        schedule("gone", task="no.such.task"),
        schedule("wrong", args='["one", "too", "many"]'),
        schedule("good"),
    ]

    told = act(user_with("run_schedule"), "run_tasks", *rows)

    assert TaskRun.objects.count() == 1
    assert [entry[1] for entry in audited()] == [str(rows[2])]
    assert told[0] == "gone was not run: there is no task of the name no.such.task"
    assert told[1].startswith("wrong was not run: ")
    assert told[2:] == ["1 run asked for."]


@pytest.mark.parametrize("stores", [["S1"], []], ids=["of one store", "of no store"])
@pytest.mark.parametrize("action", ["run_tasks", "disable_tasks", "delete_selected"])
def test_who_does_not_see_every_store_neither_runs_nor_changes_what_concerns_them_all(
    action: str, stores: list[str]
) -> None:
    permissions = ("run_schedule", "change_periodictask", "delete_periodictask")
    user, chosen = user_with(*permissions, every_store=False), schedule()
    for code in stores:
        world.store(code).operators.add(user)

    act(user, action, chosen)

    chosen.refresh_from_db()
    assert chosen.enabled
    assert not TaskRun.objects.exists()
    assert audited() == []


def test_another_site_and_a_class_derived_from_ours_are_guarded_as_well() -> None:
    site = admin.AdminSite("own")
    site.register(PeriodicTask, type("OwnAdmin", (SchedulesAdmin,), {}))
    request = RequestFactory().get("/")
    request.user = user_with()

    offered = site._registry[PeriodicTask].get_actions(request)

    assert set(offered) == set()


def test_who_may_do_everything_is_offered_everything() -> None:
    schedule()

    page = world.superuser().get(reverse(LIST)).content.decode()

    for name in ("enable_tasks", "disable_tasks", "toggle_tasks", "run_tasks"):
        assert f'value="{name}"' in page


# Run now of a training plan: a round of the whole chain


def test_run_now_is_refused_to_a_stores_user_with_a_sentence_and_its_button_is_not_there() -> None:
    permissions = ("view_trainingplan", "run_traininground")
    client, plan = world.client_of(*permissions, stores=[world.store("S1")]), learning.plan()

    page = client.get(world.page_of(plan)).context
    answer = client.post(world.act_on(plan, "run"))
    listed = client.post(world.list_of("trainingplan"), world.selection("run", plan), follow=True)

    assert [verb.name for verb in page["verbs"]] == []
    assert answer.status_code == 403
    sentence = "Run now concerns every store."
    assert sentence in answer.content.decode()
    assert str(next(iter(listed.context["messages"]))).startswith(sentence)
    assert not TrainingRound.objects.exists()


def test_a_verb_without_permission_is_refused_with_a_sentence() -> None:
    run = world.run("dead")

    answer = world.client_of().post(world.act_on(run, "retry"))

    assert answer.status_code == 403
    assert "Retry needs a permission that you do not have." in answer.content.decode()
