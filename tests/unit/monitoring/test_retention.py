"""Retention: by state and by work, in slices, nightly, and counted for people beforehand."""

import re
from functools import partial

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db.models.signals import post_migrate
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

import neural
from neural.audit import record_user
from neural.kit.conf import conf
from neural.ledger.prune import PRUNABLES, Retention, prune_runs
from neural.models import NeuralEvent, RunState, ShippedDefault, TaskRun
from neural.monitoring.models import TotalFigures
from neural.monitoring.retention.runs import PRUNE_SCHEDULE, PRUNE_TASK, ask, prune_slice
from neural.schedules.shipped import make
from tests.unit.factories import ago, make_event, make_run, make_store, make_worker

pytestmark = pytest.mark.django_db


def old(state: RunState = RunState.SUCCEEDED, *, days: float = 10, **fields) -> TaskRun:
    moment = ago(days=days)
    return make_run(state, created_at=moment, finished_at=moment, **fields)


def left() -> set[str]:
    return {run.work_name for run in TaskRun.objects.all()}


def prune(states: dict, works: dict | None = None) -> dict:
    return prune_runs(now=timezone.now(), keep=Retention(states=states, works=works or {}))


# Rules


def test_a_handlers_runs_are_kept_for_their_own_time():
    old(handler="app.noisy", event=make_event("1"))
    old(handler="app.other", event=make_event("2"))

    prune({"succeeded": 30}, {"app.noisy": {"succeeded": 3}})

    assert left() == {"app.other"}


def test_a_tasks_runs_are_kept_for_their_own_time():
    old(task="app.tasks.noisy")
    old(task="app.tasks.other")

    prune({"succeeded": 30}, {"app.tasks.noisy": {"succeeded": 3}})

    assert left() == {"app.tasks.other"}


def test_the_runs_of_an_event_type_are_kept_for_their_own_time():
    old(handler="app.levels", event=make_event("1", type="inventory.updated"))
    old(handler="app.orders", event=make_event("2", type="order.placed"))

    prune({"succeeded": 30}, {"inventory.updated": {"succeeded": 3}})

    assert left() == {"app.orders"}


def test_a_handlers_own_time_outranks_that_of_its_events_type():
    old(handler="app.kept", event=make_event("1", type="inventory.updated"))
    old(handler="app.gone", event=make_event("2", type="inventory.updated"))

    prune({}, {"inventory.updated": {"succeeded": 3}, "app.kept": {"succeeded": 365}})

    assert left() == {"app.kept"}


def test_some_work_can_be_kept_longer_than_the_rest_or_for_ever():
    for work in ("app.long", "app.ever", "app.rest"):
        old(task=work, days=100)
    works = {"app.long": {"succeeded": 365}, "app.ever": {"succeeded": None}}

    prune({"succeeded": 30}, works)

    assert left() == {"app.long", "app.ever"}


def test_a_rule_for_one_state_leaves_the_others_as_they_are():
    old(task="app.a")
    old(RunState.CANCELLED, task="app.a")

    prune({"succeeded": 30, "cancelled": 5}, {"app.a": {"succeeded": 3}})

    assert not TaskRun.objects.exists()


def test_a_rule_for_work_holds_for_a_state_without_a_rule():
    old(RunState.DEAD, task="app.a")
    old(RunState.DEAD, task="app.b")

    prune({"dead": None}, {"app.a": {"dead": 7}})

    assert left() == {"app.b"}


def test_rules_name_only_what_can_be_deleted(settings):
    settings.NEURAL = settings.NEURAL | {"kept_days_by_work": {"app.a": {"pending": 3}}}

    with pytest.raises(ValueError, match="kept_days_by_work"):
        conf()


def test_runs_can_be_kept_for_a_century_and_a_longer_time_is_refused_at_once(settings):
    """Not by the nightly run, which could not compute the date."""
    settings.NEURAL = settings.NEURAL | {"succeeded_kept_days": "36500"}
    old(task="app.a", days=1000)
    prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)
    assert left() == {"app.a"}

    settings.NEURAL = settings.NEURAL | {"succeeded_kept_days": "99999999"}

    with pytest.raises(ValueError, match="succeeded_kept_days"):
        conf()


def test_rules_can_come_from_the_environment(settings):
    told = '{"app.a": {"succeeded": 3, "dead": null}}'
    settings.NEURAL = settings.NEURAL | {"kept_days_by_work": told, "dead_kept_days": "400"}

    keep = Retention.of_settings()

    assert keep.works == {"app.a": {"succeeded": 3, "dead": None}}
    assert keep.states["dead"] == 400


def test_the_command_obeys_the_same_rules(settings, capsys):
    from django.core.management import call_command

    settings.NEURAL = settings.NEURAL | {"kept_days_by_work": {"app.a": {"succeeded": 3}}}
    old(task="app.a")
    old(task="app.b")

    call_command("prune")
    assert left() == {"app.b"}

    call_command("prune", "--days", "5", "--state", "succeeded")
    assert left() == set()
    assert "succeeded runs older than 5 days deleted" in capsys.readouterr().out


# The task


def test_the_task_prunes_every_kind_and_says_how_many(settings):
    settings.NEURAL = settings.NEURAL | {"payloads_kept_days": 50}
    old(task="app.a", days=100)
    old(RunState.DEAD, task="app.b", days=100)
    make_event("1", recorded_at=ago(days=100))
    make_worker(stopped_at=ago(days=500))

    told = prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)

    assert told["rows"] == {"succeeded": 1, "payloads": 1, "workers": 1}
    assert left() == {"app.b"}
    assert NeuralEvent.objects.get().payload is None


def test_payloads_stay_unless_the_settings_say_otherwise():
    make_event("1", recorded_at=ago(days=1000))

    prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)

    assert NeuralEvent.objects.get().payload is not None


def test_a_dry_run_counts_the_same_and_deletes_nothing():
    for number in range(3):
        old(task=f"app.{number}", days=100)
    make_worker(stopped_at=ago(days=500))

    counted = prune_slice(checkpoint=None, now=timezone.now(), dry_run=True)
    assert TaskRun.objects.count() == 3
    deleted = prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)

    assert counted["rows"] == deleted["rows"] == {"succeeded": 3, "workers": 1}
    assert (counted["dry_run"], deleted["dry_run"]) == (True, False)


@pytest.mark.parametrize("dry_run", [True, False])
def test_slices_go_on_where_the_one_before_ended(monkeypatch, dry_run):
    monkeypatch.setattr("neural.ledger.prune.CHUNK", 2)
    for number in range(7):
        old(task=f"app.{number}", days=100)
    kept, now, taken = None, timezone.now(), 0

    while taken < 20:
        taken += 1
        try:
            # Each look at the clock is a second later: a slice has one step.
            told = prune_slice(
                checkpoint=kept, now=now, dry_run=dry_run, seconds=1, clock=iter(range(9)).__next__
            )
            break
        except neural.Snooze as snooze:
            kept = snooze.checkpoint

    assert taken >= 5
    assert told["rows"] == {"succeeded": 7}
    assert told["slices"] == taken
    assert TaskRun.objects.count() == (7 if dry_run else 0)


def test_a_run_that_is_retried_after_its_end_begins_anew():
    done = prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)
    old(task="app.a", days=100)

    again = prune_slice(checkpoint=done, now=timezone.now(), dry_run=False)

    assert again["rows"] == {"succeeded": 1}


def test_ages_count_up_to_the_first_slice(monkeypatch):
    began = ago(days=5)
    old(task="app.a", days=32)
    kept = {"now": began.isoformat(), "dry_run": False, "rows": {"succeeded": 4}, "slices": 3}
    goes_on = {"goes_on": {"kind": "runs", "after": 0}}

    told = prune_slice(checkpoint=kept | goes_on, now=timezone.now(), dry_run=False)

    assert told == kept | {"slices": 4}


def test_a_run_of_the_task_deletes_and_its_result_says_so():
    old(task="app.a", days=100)
    run = ask(dry_run=False, by="ana")

    neural.run_due()

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert run.result["rows"] == {"succeeded": 1}
    assert (run.queue, run.requested_by) == ("low_priority", "ana")


def test_between_slices_the_run_waits_and_its_result_says_how_far_it_has_come(monkeypatch):
    monkeypatch.setattr("neural.ledger.prune.CHUNK", 1)
    no_time = partial(prune_slice, seconds=-1)
    monkeypatch.setattr("neural.monitoring.tasks.prune_slice", no_time)
    for number in range(2):
        old(task=f"app.{number}", days=100)
    run = ask(dry_run=False, by="ana")

    neural.run_due()

    run.refresh_from_db()
    assert run.state == RunState.PENDING
    assert run.result["rows"] == {"succeeded": 1}
    assert run.failures == 0
    while run.state == RunState.PENDING:
        run.hurry()
        neural.run_due()
        run.refresh_from_db()
    assert run.result["rows"] == {"succeeded": 2}
    assert run.result["slices"] > 2


def test_two_wishes_are_one_run():
    assert ask(dry_run=True, by="ana").pk == ask(dry_run=True, by="bo").pk
    assert ask(dry_run=False, by="ana").kwargs == {"dry_run": False}


def test_pruning_makes_no_total_fall():
    TotalFigures.objects.create(queue="default", work="app.a", submitted=1, succeeded=1)
    old(task="app.a", days=100)

    prune_slice(checkpoint=None, now=timezone.now(), dry_run=False)

    assert TotalFigures.objects.values("submitted", "succeeded").get() == {
        "submitted": 1,
        "succeeded": 1,
    }


def test_it_is_scheduled_every_night():
    ShippedDefault.objects.all().delete()
    PeriodicTask.objects.filter(name=PRUNE_SCHEDULE.name).delete()

    config = apps.get_app_config("neural_monitoring")
    post_migrate.send(sender=config, app_config=config, using="default", plan=[])

    schedule = PeriodicTask.objects.get(name=PRUNE_SCHEDULE.name)
    assert (schedule.task, schedule.enabled) == (PRUNE_TASK, True)


# The page

PAGE = "admin:neural_monitoring_retention"


@pytest.fixture
def user() -> User:
    user = User.objects.create_user("ana", is_staff=True)
    names = ("view_retention", "prune_rows", "view_every_store")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    return user


@pytest.fixture
def browser(client, user):
    client.force_login(user)
    return client


def test_the_page_says_how_long_what_is_kept(browser, settings):
    settings.NEURAL = settings.NEURAL | {"kept_days_by_work": {"app.a": {"dead": 0.5}}}

    shown = browser.get(reverse(f"{PAGE}_changelist")).content.decode()

    assert "runs: succeeded" in shown
    assert "30 days" in shown
    assert "(app.a)" in shown
    assert "12 hours" in shown
    assert "for ever" in shown
    assert "style=" not in shown.partition("<main")[2]


def test_the_page_says_that_nothing_is_being_deleted_and_why(browser, user):
    make(PRUNE_SCHEDULE)  # a test that commits may have emptied the database before
    assert "Nothing is being deleted" not in browser.get(reverse(f"{PAGE}_changelist")).text

    schedules = PeriodicTask.objects.filter(task=PRUNE_TASK)
    schedules.update(enabled=False)
    record_user(user, action="schedule.disable_tasks", rows=schedules, reason="an audit")

    told = browser.get(reverse(f"{PAGE}_changelist")).text
    assert re.search("Nothing is being deleted: switched off by ana at .*: an audit", told)
    schedules.delete()
    told = browser.get(reverse(f"{PAGE}_changelist")).text
    assert "Nothing is being deleted: there is no schedule for it" in told


def test_counting_is_a_run_in_the_persons_name_and_leaves_an_entry(browser, user):
    old(task="app.a", days=100)

    answer = browser.post(reverse(f"{PAGE}_count"), follow=True)

    run = TaskRun.objects.get(task=PRUNE_TASK)
    assert run.kwargs == {"dry_run": True}
    assert run.requested_by == "ana"
    assert "A run was asked for" in answer.content.decode()
    assert LogEntry.objects.get(user=user).object_id == str(run.pk)

    neural.run_due()

    shown = browser.get(reverse(f"{PAGE}_changelist")).content.decode()
    assert 'runs: succeeded</th><td class="console-number-cell">1</td>' in shown
    assert TaskRun.objects.filter(task="app.a").exists()


def test_deleting_now_deletes(browser):
    old(task="app.a", days=100)

    browser.post(reverse(f"{PAGE}_delete"))
    neural.run_due()

    assert not TaskRun.objects.filter(task="app.a").exists()


def test_a_run_under_way_shows_how_far_it_has_come(browser):
    make_run(
        task=PRUNE_TASK, kwargs={"dry_run": False},
        result={"rows": {"succeeded": 4000}, "goes_on": {"kind": "runs", "after": 9}},
    )  # fmt: skip

    shown = browser.get(reverse(f"{PAGE}_changelist")).content.decode()

    assert ">4,000</td>" in shown
    assert "So far; it goes on." in shown


@pytest.mark.parametrize("button", ["count", "delete"])
def test_the_buttons_need_the_permission_and_a_post(browser, user, button):
    assert browser.get(reverse(f"{PAGE}_{button}")).status_code == 405
    user.user_permissions.remove(Permission.objects.get(codename="prune_rows"))

    assert browser.post(reverse(f"{PAGE}_{button}")).status_code == 403
    assert "Delete now" not in browser.get(reverse(f"{PAGE}_changelist")).content.decode()
    assert not TaskRun.objects.exists()


def test_a_user_of_some_stores_has_no_such_page(browser, user):
    make_store().operators.add(user)
    user.user_permissions.remove(Permission.objects.get(codename="view_every_store"))

    assert browser.get(reverse(f"{PAGE}_changelist")).status_code == 403
    assert browser.post(reverse(f"{PAGE}_delete")).status_code == 403


def test_all_that_is_deleted_has_a_label_to_translate():
    assert [each.name for each in PRUNABLES if not each.label] == []
