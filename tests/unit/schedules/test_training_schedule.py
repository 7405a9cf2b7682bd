"""The nightly training as people edit it in the admin, and what beat makes of it."""

import datetime as dt

import pytest
from django.urls import reverse
from django_celery_beat.models import PeriodicTask

from neural.forecasting.shipped import TRAINING_SCHEDULE
from neural.models import TaskRun
from neural.schedules import shipped
from neural.tasks import run_federated_round
from tests.unit.schedules.beating import SHANGHAI, START, Beat, Clock, daily

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


@pytest.fixture
def clock(monkeypatch):
    return Clock().rules(monkeypatch)


@pytest.fixture
def schedule():
    PeriodicTask.objects.all().delete()
    shipped.make(TRAINING_SCHEDULE)
    row = PeriodicTask.objects.get()
    PeriodicTask.objects.update(date_changed=START)
    return row


@pytest.fixture
def beat(clock, schedule):
    beat = Beat()
    beat.looks()
    return beat


def edited(clock: Clock, admin_client, row: PeriodicTask, **changes) -> None:
    """As a person does it, a while after beat has read it: the row's page, changed and saved."""
    clock.moves(seconds=30)
    address = reverse("admin:django_celery_beat_periodictask_change", args=[row.pk])
    form = admin_client.get(address).context["adminform"].form
    sent = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    sent |= {"name": row.name, "task": row.task, "crontab": row.crontab_id, **changes}
    data = {name: value for name, value in sent.items() if value not in (None, "", False)}
    answer = admin_client.post(address, {"args": "[]", "kwargs": "{}", "headers": "{}", **data})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    PeriodicTask.objects.update(date_changed=clock.now)  # Django took the time from another clock


def begun() -> list[dt.datetime]:
    """When rounds were asked for."""
    runs = TaskRun.objects.filter(task=run_federated_round.name).order_by("pk")
    return [
        dt.datetime.fromisoformat(run.task_id.split("-", 2)[2]).astimezone(SHANGHAI) for run in runs
    ]


def a_day_passes(beat: Beat, clock: Clock) -> None:
    for _ in range(24 * 12):
        clock.moves(minutes=5)
        beat.looks()


def test_left_alone_a_round_is_opened_every_night_at_three(beat, clock):
    a_day_passes(beat, clock)
    a_day_passes(beat, clock)

    assert [(each.day, each.hour, each.minute) for each in begun()] == [(3, 3, 0), (4, 3, 0)]


def test_an_hour_chosen_in_the_admin_is_the_hour(beat, clock, schedule, admin_client):
    edited(clock, admin_client, schedule, crontab=daily(22, 30, timezone="Asia/Shanghai").pk)

    a_day_passes(beat, clock)

    assert [(each.hour, each.minute) for each in begun()] == [(22, 30)]


def test_switched_off_in_the_admin_no_round_is_opened(beat, clock, schedule, admin_client):
    edited(clock, admin_client, schedule, enabled="", reason="the figures are wrong")

    a_day_passes(beat, clock)

    assert begun() == []


def test_another_model_type_chosen_in_the_admin_is_trained(beat, clock, schedule, admin_client):
    edited(clock, admin_client, schedule, kwargs='{"model_type": "waste"}')

    a_day_passes(beat, clock)

    assert [run.kwargs for run in TaskRun.objects.all()] == [{"model_type": "waste"}]
