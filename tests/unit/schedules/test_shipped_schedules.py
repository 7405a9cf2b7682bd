"""Schedules and the plan that come with the app, once, and are people's from then on."""

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate
from django_celery_beat.models import CrontabSchedule, PeriodicTask, PeriodicTasks
from django_celery_beat.schedulers import ModelEntry

from neural.forecasting.core.protocol import TrainingConfig
from neural.forecasting.models import TrainingPlan
from neural.forecasting.shipped import TRAINING_SCHEDULE, make_plan
from neural.models import ShippedDefault, TaskRun
from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE
from neural.schedules import shipped_defaults
from neural.tasks import run_federated_round

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def migrated(*labels: str) -> None:
    """What Django says of these apps, or of all that ship something, after a `migrate`."""
    for label in labels or ("neural_restaurant", "neural_retrieval", "neural_forecasting"):
        config = apps.get_app_config(label)
        post_migrate.send(
            sender=config, app_config=config, using="default", plan=[], verbosity=0,
            interactive=False, apps=apps, stdout=None,
        )  # fmt: skip


@pytest.fixture
def nothing_yet():
    ShippedDefault.objects.all().delete()
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()
    TrainingPlan.objects.all().delete()


def training() -> PeriodicTask:
    return PeriodicTask.objects.get(name="neural: federated training")


@pytest.mark.usefixtures("nothing_yet")
def test_training_is_nightly_at_three_in_shanghai():
    migrated()

    found = training()
    assert (found.task, found.enabled) == ("neural.tasks.run_federated_round", True)
    crontab = found.crontab
    assert (crontab.hour, crontab.minute, crontab.day_of_week) == ("3", "0", "*")
    assert str(crontab.timezone) == "Asia/Shanghai"


@pytest.mark.usefixtures("nothing_yet")
def test_a_running_beat_notices_them():
    PeriodicTasks.objects.all().delete()

    migrated()

    assert PeriodicTasks.last_change() >= training().date_changed


@pytest.mark.usefixtures("nothing_yet")
def test_each_schedule_comes_with_its_own_app():
    migrated("neural_forecasting")
    assert [each.name for each in PeriodicTask.objects.all()] == [TRAINING_SCHEDULE.name]

    migrated("neural_restaurant")
    assert PeriodicTask.objects.filter(name=ANALYSIS_SCHEDULE.name).exists()


@pytest.mark.usefixtures("nothing_yet")
def test_what_people_changed_or_deleted_stays_so():
    migrated()
    PeriodicTask.objects.update(enabled=False)
    migrated()
    assert not training().enabled

    PeriodicTask.objects.all().delete()
    migrated()
    assert not PeriodicTask.objects.exists()


@pytest.mark.usefixtures("nothing_yet")
def test_a_flush_is_no_migration():
    config = apps.get_app_config("neural_forecasting")

    post_migrate.send(
        sender=config, app_config=config, using="default", verbosity=0, interactive=False
    )

    assert not PeriodicTask.objects.exists()


@pytest.mark.usefixtures("nothing_yet")
def test_what_could_not_be_created_is_created_by_the_next_migrate(monkeypatch):
    with monkeypatch.context() as broken:
        broken.setattr("neural.schedules.shipped.conf", None)
        with pytest.raises(TypeError):
            migrated("neural_restaurant")
    assert not ShippedDefault.objects.exists()

    migrated("neural_restaurant")

    assert PeriodicTask.objects.get().name == ANALYSIS_SCHEDULE.name


@pytest.mark.usefixtures("nothing_yet")
def test_what_beat_sends_is_low_priority_work_of_the_ledger():
    migrated("neural_forecasting")
    entry = ModelEntry(training())

    run_federated_round.apply_async(entry.args, entry.kwargs, **entry.options)

    run = TaskRun.objects.get()
    assert (run.queue, run.priority, run.args, run.kwargs) == ("low_priority", 1, [], {})
    assert run.requested_by == TRAINING_SCHEDULE.name


@pytest.mark.usefixtures("nothing_yet")
def test_until_all_their_tables_are_there_nothing_is_created(monkeypatch):
    monkeypatch.setattr(shipped_defaults, "_are_migrated", lambda labels, using: False)

    migrated()

    assert not PeriodicTask.objects.exists()


@pytest.mark.usefixtures("nothing_yet")
def test_a_plan_of_the_demand_forecast_comes_once():
    migrated()
    plan = TrainingPlan.objects.get()
    assert (plan.model_type, plan.enabled) == ("demand_forecast", True)

    TrainingPlan.objects.update(enabled=False)
    migrated()

    assert not TrainingPlan.objects.get().enabled
    assert not make_plan()


def test_a_new_plan_trains_as_the_protocol_says():
    assert TrainingPlan(model_type="x").config() == TrainingConfig()


@pytest.mark.usefixtures("nothing_yet")
def test_search_indexes_are_compacted_every_hour():
    migrated("neural_retrieval")

    found = PeriodicTask.objects.get()
    assert (found.name, found.task) == (
        "neural: search indexes",
        "neural.tasks.tend_search_indexes",
    )
    assert (found.crontab.hour, found.crontab.minute) == ("*", "17")
