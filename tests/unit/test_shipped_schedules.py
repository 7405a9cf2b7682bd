"""Schedules and the plan that come with the app, once, and are people's from then on."""

from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from neural.celeryapp import shipped_schedules
from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.models import TrainingPlan
from neural.forecasting.shipped import TRAINING_SCHEDULE, make_plan
from neural.models import TaskRun
from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE
from neural.tasks import run_federated_round

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

BRINGS = "neural.0006_federated_rounds"


def migrated(*names: str, backwards: bool = False) -> None:
    """What Django says after it has applied these migrations."""
    steps = [name.split(".") for name in names]
    plan = [(SimpleNamespace(app_label=app, name=name), backwards) for app, name in steps]
    for label in ("neural_restaurant", "neural_retrieval", "neural_forecasting"):
        config = apps.get_app_config(label)
        post_migrate.send(
            sender=config, app_config=config, using="default", plan=plan, verbosity=0,
            interactive=False, apps=apps, stdout=None,
        )  # fmt: skip


@pytest.fixture
def nothing_yet():
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    TrainingPlan.objects.all().delete()


def training() -> PeriodicTask:
    return PeriodicTask.objects.get(name="neural: federated training")


@pytest.mark.usefixtures("nothing_yet")
@pytest.mark.parametrize("name", [BRINGS, "django_celery_beat.0001_initial"])
def test_training_is_nightly_at_three_in_shanghai(name):
    migrated(name)

    found = training()
    assert (found.task, found.enabled) == ("neural.tasks.run_federated_round", True)
    crontab = found.crontab
    assert (crontab.hour, crontab.minute, crontab.day_of_week) == ("3", "0", "*")
    assert str(crontab.timezone) == "Asia/Shanghai"


@pytest.mark.usefixtures("nothing_yet")
def test_each_schedule_comes_with_its_own_migration():
    migrated(BRINGS)
    assert [each.name for each in PeriodicTask.objects.all()] == [TRAINING_SCHEDULE.name]

    migrated("neural.0004_demand_summaries")
    assert PeriodicTask.objects.filter(name=ANALYSIS_SCHEDULE.name).exists()


@pytest.mark.usefixtures("nothing_yet")
def test_what_people_changed_or_deleted_stays_so():
    migrated(BRINGS)
    PeriodicTask.objects.update(enabled=False)
    migrated(BRINGS)
    assert not training().enabled

    PeriodicTask.objects.all().delete()
    migrated("neural.0007_something_else")
    migrated(BRINGS, backwards=True)
    assert not PeriodicTask.objects.exists()


@pytest.mark.usefixtures("nothing_yet")
def test_what_beat_sends_is_low_priority_work_of_the_ledger():
    migrated(BRINGS)
    entry = ModelEntry(training())

    run_federated_round.apply_async(entry.args, entry.kwargs, **entry.options)

    run = TaskRun.objects.get()
    assert (run.queue, run.priority, run.args, run.kwargs) == ("low_priority", 1, [], {})
    assert run.requested_by == TRAINING_SCHEDULE.name


@pytest.mark.usefixtures("nothing_yet")
def test_without_beats_tables_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(shipped_schedules, "has_tables", lambda using: False)

    migrated(BRINGS)

    assert not PeriodicTask.objects.exists()


@pytest.mark.usefixtures("nothing_yet")
def test_a_plan_of_the_demand_forecast_comes_once():
    migrated(BRINGS)
    plan = TrainingPlan.objects.get()
    assert (plan.model_type, plan.enabled) == ("demand_forecast", True)

    TrainingPlan.objects.update(enabled=False)
    migrated(BRINGS)
    migrated("neural.0007_something_else")

    assert not TrainingPlan.objects.get().enabled
    assert not make_plan()


def test_a_new_plan_trains_as_the_protocol_says():
    assert TrainingPlan(model_type="x").config() == TrainingConfig()


@pytest.mark.usefixtures("nothing_yet")
def test_search_indexes_are_compacted_every_hour():
    migrated("neural.0007_search")

    found = PeriodicTask.objects.get()
    assert (found.name, found.task) == (
        "neural: search indexes",
        "neural.tasks.tend_search_indexes",
    )
    assert (found.crontab.hour, found.crontab.minute) == ("*", "17")
