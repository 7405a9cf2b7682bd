"""What a user of few and quiet stores asks reads few rows, however many other stores there are.

PostgreSQL: it looks at the plans as executed. A sub-select of the user's stores, or an index that
is walked for rows of all stores, fails here.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from neural.models import NeuralEvent, RunState, TaskRun
from neural.monitoring.models import Alert, AlertState, Severity
from neural.runs.models.new_run import new_task_id
from neural.schedules.runs import run_id
from tests.unit.admin import admin_world as world
from tests.unit.pages.plans import read

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="SQLite plans without statistics"
    ),
]

MANY = 4000
MOST_READ = 2000
QUIET = ("Q1", "Q2", "Q3", "Q4", "Q5")
LARGE = re.compile(r'FROM "(neural_taskrun|neural_neuralevent|neural_monitoring_alert)"')


@pytest.fixture
def chain() -> None:
    """Many rows of one store; one event with its run in the first of the quiet stores."""
    with connection.cursor() as cursor:  # what tests before have rolled back still fills its pages
        cursor.execute(
            "TRUNCATE neural_taskrun, neural_neuralevent, neural_monitoring_alert CASCADE"
        )
    busy, now = world.store("B"), timezone.now()
    kept = {"source": "till", "type": "order.created", "content_hash": "", "payload": {}}
    events = NeuralEvent.objects.bulk_create(
        NeuralEvent(store=busy, event_id=f"e{number}", occurred_at=now, **kept)
        for number in range(MANY)
    )
    TaskRun.objects.bulk_create(
        TaskRun(
            task="neural.tasks.handle",
            task_id=new_task_id(),
            handler="neural.record_order",
            queue="default",
            store=busy,
            event=each,
            state=RunState.SUCCEEDED if number % 100 else RunState.DEAD,
            started_at=now,
            finished_at=now,
        )
        for number, each in enumerate(events)
    )
    Alert.objects.bulk_create(
        Alert(
            rule="silent_store",
            store_code="B",
            state=AlertState.RESOLVED,
            resolved_at=now,
            severity=Severity.WARNING,
            since=now,
            seen_at=now,
        )
        for _ in range(MANY)
    )
    runs_of_a_schedule(now)
    mine = world.event("mine", at=QUIET[0])
    world.run(RunState.DEAD, event=mine, handler="h", task_id="mine", store=mine.store)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def runs_of_a_schedule(now: Any) -> None:
    PeriodicTask.objects.all().delete()
    nightly = PeriodicTask.objects.create(
        name="nightly", task="neural.tasks.analyse_demand", crontab=CrontabSchedule.objects.create()
    )
    TaskRun.objects.bulk_create(
        TaskRun(
            task=nightly.task,
            task_id=run_id(nightly.pk, now + dt.timedelta(seconds=number)),
            queue="default",
            state=RunState.SUCCEEDED,
            started_at=now,
            finished_at=now,
        )
        for number in range(MANY)
    )


def limited_to(codes: Sequence[str]) -> Any:
    user = get_user_model().objects.create_user(f"of {len(codes)}", is_staff=True)
    names = Permission.objects.filter(codename__startswith="view_")
    user.user_permissions.set(names.exclude(codename="view_every_store"))
    user.neural_stores.set([world.store(code) for code in codes])
    return user


def addresses() -> list[str]:
    run, event = TaskRun.objects.get(task_id="mine"), NeuralEvent.objects.get(event_id="mine")
    complete = reverse("admin:autocomplete") + "?app_label=neural&model_name=taskrun"
    return [
        reverse("admin:index"),
        world.page_of(run),
        world.page_of(event),
        world.page_of(event.store),
        world.list_of("neuralevent"),
        world.list_of("neuralevent") + "?q=nothing",
        world.list_of("taskrun"),
        world.list_of("taskrun") + "?state=dead",
        world.list_of("alert"),
        world.list_of("alert") + "?state=all",
        world.list_of("errorgroup"),
        world.list_of("workerprocess"),
        world.list_of("schedulepolicy"),
        reverse("admin:neural_schedulepolicy_change", args=[PeriodicTask.objects.get().pk]),
        f"{complete}&field_name=event",
        f"{complete}&field_name=event&term=nothing",
        f"{complete}&field_name=store",
    ]


def wasteful(user: Any) -> list[tuple[str, int, str]]:
    """The statements of this user's pages that read many rows which they do not show."""
    client, found = world.logged_in(user), []
    for address in addresses():
        with CaptureQueriesContext(connection) as captured:
            assert client.get(address).status_code in (200, 302)
        for query in captured:
            if LARGE.search(query["sql"]) and (rows := read(query["sql"])) > MOST_READ:
                found.append((address, rows, query["sql"][:300]))
    return found


@pytest.fixture(autouse=True)
def _with_values(monkeypatch: Any) -> None:
    """A prepared statement has its values apart; its plan would be that of none in particular."""
    connection.ensure_connection()
    monkeypatch.setattr(connection.connection, "prepare_threshold", None)


def test_a_user_of_quiet_stores_never_reads_the_rows_of_the_others(chain: None) -> None:
    for codes in (QUIET[:1], QUIET, ()):
        assert wasteful(limited_to(codes)) == [], codes


@pytest.mark.parametrize("model", [TaskRun, NeuralEvent])
def test_the_newest_rows_of_quiet_stores_are_found_because_the_stores_are_named(
    chain: None, model: Any
) -> None:
    user = limited_to(QUIET)
    named = model.objects.for_user(user).order_by("-pk")[:50]
    in_a_sub_select = model.objects.filter(store__in=user.neural_stores.values("pk"))

    assert _read_for(named) < 100
    assert _read_for(in_a_sub_select.order_by("-pk")[:50]) > MOST_READ


def _read_for(rows: Any) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert len(rows.only("pk")) == 1
    return read(captured[0]["sql"])
