"""A project elsewhere, built by docs/how-to/own-project.md alone: every promise of its ten
lines."""

import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.integration.cluster import client
from tests.integration.elsewhere import StrangersProject, guide_blocks
from tests.watching import wait_until
from zhilian.supervision.embedded import EmbeddedBroker

pytestmark = [pytest.mark.integration, pytest.mark.once]  # its services are its own

MADE = """
import importlib
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core import checks
from django.core.management import call_command
from django.db import connections
from django.test import Client
from django.urls import reverse

call_command("makemigrations", "kitchen", "archive", verbosity=0)
importlib.invalidate_caches()
call_command("migrate", verbosity=0)
call_command("migrate", database="archive", verbosity=0)
call_command("makemigrations", check_changes=True, dry_run=True)  # ends with code 1 if any is

boss = get_user_model().objects.create(badge="boss", is_staff=True, is_superuser=True)
client = Client(SERVER_NAME="localhost")
client.force_login(boss)


def page(model):
    name = f"{model._meta.app_label}_{model._meta.model_name}"
    answered = client.get(reverse(f"admin:{name}_changelist"))
    return [answered.status_code, b"Back office" in answered.content]


answer = {
    "checks": [str(each) for each in checks.run_checks()],
    "in the archive": connections["archive"].introspection.table_names(),
    "pages": {model._meta.label: page(model) for model in admin.site._registry},
}
"""

PROMISES = """
import time
from celery import current_app
from celery.result import AsyncResult
from django_celery_beat.models import IntervalSchedule, PeriodicTask
import neural
from kitchen.models import Guest
from kitchen.tasks import add, plain_add, simmer
from neural.models import TaskRun

every = IntervalSchedule.objects.create(every=1, period="seconds")
PeriodicTask.objects.create(
    name="stir", task="kitchen.tasks.add", args="[20, 2]", interval=every
)

lines = [{"dish": "Brot", "quantity": 1, "price": "4"}]
answer_of_submit = neural.submit(
    type="order.created", store="B1", source="till", event_id="1",
    payload={"order_id": "A-17", "currency": "EUR", "lines": lines},
)
sent = current_app.send_task("kitchen.tasks.add", args=[1, 2])
recorded = TaskRun.objects.filter(task_id=sent.id).exists()
value = sent.get(timeout=240, interval=0.05)

later = simmer.apply_async((3600,), countdown=3600)
later.revoke()

plain = plain_add.delay(1, 2)
failing = add.delay("1", 2)
deadline = time.monotonic() + 240
while AsyncResult(failing.id).state != "FAILURE" and time.monotonic() < deadline:
    time.sleep(0.05)

runs = TaskRun.objects.filter(event__event_id="1")
while runs.exclude(state="succeeded").exists() and time.monotonic() < deadline:
    time.sleep(0.05)

left = simmer.delay(3600)  # what the worker is at when it is told to stop

answer = {
    "left": left.id,
    "verdict": answer_of_submit.verdict,
    "handled": sorted(runs.values_list("handler", "state")),
    "guests": list(Guest.objects.values_list("order", flat=True)),
    "send_task is recorded": recorded,
    "its state and value": [AsyncResult(sent.id).state, value],
    "revoked": [later.state, TaskRun.objects.get(task_id=later.id).state],
    "failed": [AsyncResult(failing.id).state, type(AsyncResult(failing.id).result).__name__],
    "plain": plain.state,
}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Iterator[StrangersProject]:
    """It stands in its directory, its broker runs, its tables are made."""
    directory = tmp_path_factory.mktemp("elsewhere")
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    broker.start()
    project = StrangersProject(directory, broker.url)
    project.write()
    project.made = project.ask(MADE)
    yield project
    project.destroy()
    broker.stop()


REFERRING = """

class Shift(models.Model):
    store = models.ForeignKey("neural.Store", models.PROTECT, null=True)
"""

MIGRATED = """
import importlib
from django.core.management import CommandError, call_command
from django.db.migrations.exceptions import CircularDependencyError

answer = []
for command in (["makemigrations", "kitchen", "--skip-checks"], ["migrate"], ["makemigrations"]):
    try:
        call_command(*command, skip_checks=command[-1] == "--skip-checks", verbosity=0)
        answer.append("done")
    except (CommandError, CircularDependencyError) as error:
        answer.append(f"{type(error).__name__}: {error}")
    importlib.invalidate_caches()
"""


def test_a_user_and_what_refers_to_a_store_are_migrated_one_after_the_other(tmp_path):
    """In one first migration they would be a circle; the check says so, and its remedy works."""
    project = StrangersProject(tmp_path, "redis://127.0.0.1:1/1")
    project.write()
    models = tmp_path / "kitchen" / "models.py"
    user_alone = models.read_text()

    models.write_text(user_alone + REFERRING)
    _, migrated, made = project.ask(MIGRATED)
    assert "neural.E106" in migrated
    assert "Shift.store" in made
    assert "SystemCheckError" in made

    (tmp_path / "kitchen" / "migrations" / "0001_initial.py").unlink()
    models.write_text(user_alone)
    project.ask(MIGRATED.replace('["migrate"], ', ""))
    models.write_text(user_alone + REFERRING)
    assert project.ask(MIGRATED) == ["done"] * 3


ITS_TESTS = """
from django.test import TransactionTestCase, override_settings

from chain.settings import NEURAL
from kitchen.tasks import add


class Adding(TransactionTestCase):
    def test_adding(self):
        for number in range(4):
            add.delay(number, 1)

    @override_settings(NEURAL={**NEURAL, "publish_in_tests": True})
    def test_adding_by_a_worker(self):
        add.delay(1, 1)
"""


def test_its_tests_put_nothing_into_its_broker_unless_they_ask_for_it(tmp_path):
    with EmbeddedBroker(tmp_path / "broker") as broker:
        project = StrangersProject(tmp_path, broker.url)
        project.write()
        (tmp_path / "kitchen" / "tests.py").write_text(ITS_TESTS)
        test = [sys.executable, "manage.py", "test"]

        project.call([*test, "kitchen.tests.Adding.test_adding"])
        assert client(broker).llen("default") == 0
        project.call([*test, "kitchen.tests.Adding.test_adding_by_a_worker"])
        assert client(broker).llen("default") == 1


@pytest.fixture(scope="module")
def promises(project: StrangersProject) -> dict:
    """What its own code finds, with a worker and a beat that were started by the book."""
    project.worker = project.start(
        "worker", "-m", "celery", "-A", "chain", "worker", "--loglevel", "INFO", "-c", "2"
    )
    project.start("beat", "-m", "celery", "-A", "chain", "beat", "--loglevel", "INFO")
    return project.ask(PROMISES)


def rows(project: StrangersProject, statement: str) -> list[tuple]:
    with closing(sqlite3.connect(project.directory / "db.sqlite3", timeout=30)) as database:
        return database.execute(statement).fetchall()


def test_the_readme_needs_ten_lines():
    settings, celery, package = guide_blocks()[:3]
    lines = [line for line in f"{settings}{celery}{package}".splitlines() if line.strip()]

    assert len(lines) <= 10


def test_the_home_of_the_readmes_first_picture_is_there(project):
    assert project.made["pages"]["neural_monitoring.Examination"] == [200, True]


def test_the_checks_are_clean_and_no_migration_is_missing(project):
    assert project.made["checks"] == []  # and makemigrations --check ended with code 0


def test_the_second_database_gets_no_table_of_the_ledger(project):
    assert sorted(project.made["in the archive"]) == ["archive_receipt", "django_migrations"]


def test_an_event_is_handled_by_our_handler_and_by_its_own(promises):
    assert promises["verdict"] == "new"
    assert promises["handled"] == [
        ["kitchen.welcome", "succeeded"],
        ["neural.record_order", "succeeded"],
    ]
    assert promises["guests"] == ["A-17"]


def test_send_task_is_recorded_and_its_result_answered_from_the_ledger(promises):
    assert promises["send_task is recorded"] is True
    assert promises["its state and value"] == ["SUCCESS", 3]
    assert promises["failed"] == ["FAILURE", "TypeError"]


def test_of_a_plain_task_nothing_is_kept_where_no_backend_is_installed(promises):
    assert promises["plain"] == "PENDING"


def test_revoke_cancels(promises):
    assert promises["revoked"] == ["REVOKED", "cancelled"]


def test_celery_call_records_and_celery_result_answers(project, promises):
    task_id = project.celery("call", "kitchen.tasks.add", "--args", "[40, 2]").strip()

    assert project.celery("result", task_id).strip() == "42"
    found = rows(project, f"SELECT task, state FROM neural_taskrun WHERE task_id = '{task_id}'")
    assert found == [("kitchen.tasks.add", "succeeded")]


def test_beat_records_what_is_due(project, promises):
    asked = "SELECT count(*) FROM neural_taskrun WHERE requested_by = 'stir'"

    wait_until(lambda: rows(project, asked)[0][0] >= 1, 150)


def test_every_page_of_its_admin_site_answers(project):
    pages = project.made["pages"]

    assert {"neural.TaskRun", "django_celery_beat.PeriodicTask"} <= set(pages)
    assert {label: page for label, page in pages.items() if page != [200, True]} == {}


def test_a_worker_that_is_told_to_stop_releases_what_it_cannot_finish(project, promises):
    """Last: it ends the worker."""
    run = "SELECT state, losses, failures FROM neural_taskrun WHERE task_id = '{left}'"
    run = run.format(**promises)
    wait_until(lambda: rows(project, run) == [("running", 0, 0)], 150)

    project.worker.send_signal(signal.SIGTERM)

    assert project.worker.wait(120) == 0, project.log("worker")
    assert rows(project, run) == [("pending", 0, 0)]
