"""The nightly schedule comes with the app, once, and is people's from then on."""

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from django_celery_beat.schedulers import ModelEntry

from neural.models import ShippedDefault, TaskRun
from neural.restaurant.analysis.analysing import ANALYSIS_SCHEDULE
from neural.schedules import shipped
from neural.tasks import analyse_demand

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def migrated() -> None:
    """What Django says after a `migrate`."""
    config = apps.get_app_config("neural_restaurant")
    post_migrate.send(
        sender=config, app_config=config, using="default", plan=[], verbosity=0,
        interactive=False, apps=apps, stdout=None,
    )  # fmt: skip


@pytest.fixture
def no_schedule():
    ShippedDefault.objects.all().delete()
    PeriodicTask.objects.all().delete()
    CrontabSchedule.objects.all().delete()


def schedules() -> list[str]:
    return list(PeriodicTask.objects.values_list("name", flat=True))


@pytest.mark.usefixtures("no_schedule")
def test_it_comes_every_night_at_two():
    migrated()

    found = PeriodicTask.objects.get(name=ANALYSIS_SCHEDULE.name)
    assert (found.task, found.enabled) == ("neural.tasks.analyse_demand", True)
    crontab = found.crontab
    assert (crontab.hour, crontab.minute, crontab.day_of_week) == ("2", "0", "*")
    assert str(crontab.timezone) == "Asia/Shanghai"


@pytest.mark.usefixtures("no_schedule")
def test_once_deleted_it_stays_away():
    migrated()
    PeriodicTask.objects.all().delete()

    migrated()

    assert schedules() == []


@pytest.mark.usefixtures("no_schedule")
def test_what_people_changed_is_never_overwritten():
    migrated()
    PeriodicTask.objects.update(enabled=False, kwargs='{"since": "2026-03-01"}')

    migrated()

    found = PeriodicTask.objects.get(name=ANALYSIS_SCHEDULE.name)
    assert not found.enabled
    assert found.kwargs == '{"since": "2026-03-01"}'


@pytest.mark.usefixtures("no_schedule")
def test_a_crontab_of_the_same_time_is_shared():
    CrontabSchedule.objects.create(hour="2", minute="0", timezone="Asia/Shanghai")

    migrated()

    assert CrontabSchedule.objects.count() == 1


@pytest.mark.usefixtures("no_schedule")
def test_a_project_without_beat_is_left_alone(monkeypatch):
    real = apps.is_installed
    monkeypatch.setattr(apps, "is_installed", lambda name: name != shipped.BEAT and real(name))

    migrated()

    assert schedules() == []


@pytest.mark.usefixtures("no_schedule")
def test_what_beat_sends_is_recorded_as_low_priority_work():
    migrated()
    entry = ModelEntry(PeriodicTask.objects.get())

    analyse_demand.apply_async(entry.args, entry.kwargs, **entry.options)

    run = TaskRun.objects.get()
    assert (run.queue, run.priority, run.args, run.kwargs) == ("low_priority", 1, [], {})
    assert run.requested_by == ANALYSIS_SCHEDULE.name
