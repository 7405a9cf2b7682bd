"""`manage.py doctor`: every trouble is found and its cure is named."""

import datetime as dt
import json
import os
import re
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import ConnectionHandler, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from neural.audit import record_user
from neural.health import Status, database, examination, examine, messages, runs, workers
from neural.health.checks import CHECKS
from neural.health.commands.doctor import language_of
from neural.health.findings import COUNTED, Finding
from neural.health.situation import Situation
from neural.kit.conf import conf
from neural.ledger import dialects
from neural.ledger.dialects import ledger_dialect
from neural.models import AttemptOutcome, AuditEntry, RunState, TaskAttempt, TaskRun, WorkerProcess
from neural.queues.pausing import pause, pauses
from tests.unit.factories import ago, make_event, make_run, make_worker
from tests.unit.health import doctoring
from tests.unit.health.doctoring import found_within, healthy, is_found, set_broker
from tests.unit.schedules.beating import schedule
from zhilian.supervision.embedded import EmbeddedBroker

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory):
    with EmbeddedBroker(tmp_path_factory.mktemp("doctor")) as started:
        yield started


@pytest.fixture
def broker(embedded, monkeypatch, settings):
    """An empty broker that the project is set to; with a client."""
    with doctoring.client_of(embedded, monkeypatch, settings) as client:
        client.flushdb()
        yield client


@pytest.fixture
def no_broker(tmp_path, monkeypatch):
    set_broker(monkeypatch, f"redis+socket://{tmp_path}/none.sock")


def look(situation=None) -> dict:
    return {finding.probe: finding for finding in examine(situation)}


# Settings


def test_what_the_system_checks_say_is_told_with_their_hint(settings):
    settings.CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 10}

    assert is_found(
        examination.settings(Situation()), Status.WARNING, "neural.W001", "Raise CELERY_BROKER"
    )


def test_a_schedule_whose_app_is_not_installed_is_told(monkeypatch):
    installed = apps.is_installed
    monkeypatch.setattr(
        apps, "is_installed", lambda name: name != "neural.restaurant" and installed(name)
    )
    schedule("nightly", task="neural.tasks.analyse_demand")

    assert is_found(
        examination.kept_settings(Situation()),
        Status.WARNING,
        "neural.W021: nobody does what the schedule 'nightly' asks for",
        "add 'neural.restaurant' to INSTALLED_APPS",
        "manage.py check --database default",
    )


def test_a_schedule_with_an_argument_that_an_upgrade_renamed_is_told():
    schedule("nightly", task="neural.tasks.analyse_demand", kwargs='{"shop": "S1"}')
    schedule("off", task="neural.tasks.analyse_demand", kwargs='{"shop": "S1"}', enabled=False)
    schedule("of other code", task="elsewhere.clean", kwargs='{"shop": "S1"}')

    finding = examination.kept_settings(Situation())

    assert is_found(
        finding,
        Status.WARNING,
        "neural.W022: the schedule 'nightly' is refused each time it is due",
        "unexpected keyword argument 'shop'",
        "Give it the arguments that neural.tasks.analyse_demand takes",
    )
    assert finding.found.count("W022") == 1


def test_a_schedule_that_is_switched_off_is_a_warning_that_says_by_whom_and_why():
    PeriodicTask.objects.all().delete()
    assert workers.schedules_off(Situation()).status == Status.OK
    row = schedule("night 1", enabled=False)
    schedule("night 2", enabled=False)
    lee = get_user_model().objects.create_user("lee")
    record_user(lee, action="schedule.disable_tasks", rows=[row], reason="the oven")
    since = timezone.localtime(AuditEntry.objects.get().at)

    assert is_found(
        workers.schedules_off(Situation()),
        Status.WARNING,
        f"night 1 (switched off by lee at {since:%Y-%m-%d %H:%M}: the oven)",
        "night 2 (switched off, nobody knows by whom)",
        "switch it on in the admin under Schedules",
    )


def test_an_error_of_the_system_checks_is_a_problem(settings):
    settings.NEURAL = {"retry_base_second": 1}

    assert is_found(
        examination.settings(Situation()), Status.PROBLEM, "retry_base_second", "manage.py check"
    )


# Database


def test_a_database_in_order_is_named():
    finding = database.database(Situation())

    assert finding.status == Status.OK
    assert connection.display_name in finding.found


def forget_a_migration(settings) -> None:
    settings.MIGRATION_MODULES = {}  # also with --nomigrations, where none is applied
    recorder = MigrationRecorder(connection)
    if recorder.has_table():
        recorder.migration_qs.filter(app="neural").delete()


def test_missing_migrations_are_named(settings):
    forget_a_migration(settings)

    assert is_found(
        database.migrations(Situation()), Status.PROBLEM, "not applied", "manage.py migrate"
    )


def test_without_its_tables_the_ledger_is_not_looked_at(settings, no_broker):
    forget_a_migration(settings)

    assert look()["workers"].status == Status.UNKNOWN
    assert "migrations are missing" in look()["workers"].found


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_locked_is_found_within_a_second():
    other = connection.copy()
    with other.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("BEGIN IMMEDIATE")
        else:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE neural_workerprocess IN EXCLUSIVE MODE")

    def look() -> Finding:
        with database.impatient_database(0.2):
            return database.writing(Situation())

    try:
        finding = found_within(1, look)
    finally:
        other.close()

    assert is_found(finding, Status.PROBLEM, "takes no write", "long transaction")
    assert database.writing(Situation()).status == Status.OK


def test_looking_leaves_the_connections_patience_as_it_was():
    def patience() -> str:
        with connection.cursor() as cursor:
            return ledger_dialect().patience(cursor)

    before = patience()
    with database.impatient_database():
        assert patience() != before

    assert patience() == before


def test_writing_leaves_no_row():
    database.writing(Situation())

    assert not WorkerProcess.objects.exists()


def test_sqlite_out_of_wal_mode_is_a_problem(tmp_path, monkeypatch):
    if connection.vendor != "sqlite":
        pytest.skip("SQLite only")
    plain = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "plain.sqlite3"}
    with closing(ConnectionHandler({"default": plain})["default"]) as its_own:
        monkeypatch.setattr(dialects, "ledger_connection", lambda: its_own)
        finding = database.database(Situation())

    assert is_found(finding, Status.PROBLEM, "'delete'", "PRAGMA journal_mode=WAL")


@pytest.mark.usefixtures("patient_database")
def test_a_database_that_answers_in_another_mode_is_asked_everything_else(monkeypatch):
    make_worker()
    monkeypatch.setattr(type(dialects.ledger_dialect()), "journal_mode", lambda *_: "delete")

    found = look(healthy())

    assert found.pop("database").status == Status.PROBLEM
    assert {each.status for each in found.values()} == {Status.OK}


def test_without_a_database_each_probe_that_needs_none_is_made_and_the_others_say_why(monkeypatch):
    def refuse():
        raise OperationalError("no route to host")

    monkeypatch.setattr(dialects.ledger_connection(), "cursor", refuse)

    found = look()

    why = "not looked at: the database has a problem"
    asked = {name for name, each in found.items() if each.found != why}
    assert asked == {"settings", "disk", "broker", "durability", "database"}
    assert {each.status for name, each in found.items() if name not in asked} == {Status.UNKNOWN}


@pytest.mark.parametrize(("seconds", "status"), [(5, Status.WARNING), (-120, Status.PROBLEM)])
def test_clocks_that_differ_are_found(monkeypatch, seconds, status):
    ours = timezone.now()
    monkeypatch.setattr(database.timezone, "now", lambda: ours)
    monkeypatch.setattr(database, "database_clock", lambda: ours - dt.timedelta(seconds=seconds))

    way = "ahead of" if seconds > 0 else "behind"
    assert is_found(database.clock(Situation()), status, f"{abs(seconds)} s {way}", "timedatectl")


def test_clocks_that_agree_are_ok():
    assert database.clock(Situation()).status == Status.OK


# Broker


def test_a_broker_in_order_is_ok(broker):
    situation = Situation()

    assert messages.broker(situation).status == Status.OK
    assert messages.durability(situation).status == Status.OK
    assert messages.unread_messages(situation).status == Status.OK


def test_a_broker_that_is_gone_is_a_problem_that_loses_nothing(no_broker):
    finding = found_within(1, lambda: messages.broker(Situation()))

    assert is_found(finding, Status.PROBLEM, "nothing is lost", "CELERY_BROKER_URL")


def test_a_frozen_broker_is_found_within_about_a_second(broker, embedded, settings):
    settings.NEURAL = {**settings.NEURAL}
    del settings.NEURAL["publish_timeout_seconds"]  # what it is by itself
    embedded.freeze()
    try:
        finding = found_within(1.5, lambda: messages.broker(Situation()))
    finally:
        embedded.thaw()

    assert is_found(finding, Status.PROBLEM, "Timeout", "CELERY_BROKER_URL")


def test_the_brokers_password_is_not_repeated(monkeypatch):
    set_broker(monkeypatch, "redis://user:secret@127.0.0.1:1/1")

    assert "secret" not in messages.broker(Situation()).found


@pytest.mark.parametrize(
    ("setting", "wrong", "right"),
    [("appendonly", "no", "yes"), ("maxmemory-policy", "allkeys-lru", "noeviction")],
)
def test_a_broker_that_would_lose_messages_is_found(broker, setting, wrong, right):
    broker.config_set(setting, wrong)
    try:
        finding = messages.durability(Situation())
    finally:
        broker.config_set(setting, right)

    assert is_found(finding, Status.WARNING, setting, f"CONFIG SET {setting} {right}")


def test_a_broker_that_is_full_is_found(broker):
    broker.config_set("maxmemory", "1kb")
    try:
        finding = messages.broker(Situation())
    finally:
        broker.config_set("maxmemory", "0")

    assert is_found(finding, Status.PROBLEM, "nothing is lost", "CONFIG SET maxmemory")
    assert messages.broker(Situation()).status == Status.OK


def test_what_another_broker_than_redis_keeps_is_unknown(monkeypatch):
    set_broker(monkeypatch, "memory://")
    situation = Situation()

    assert messages.broker(situation).status == Status.OK
    assert messages.durability(situation).status == Status.UNKNOWN


def test_messages_that_nobody_reads_are_found_with_the_worker_to_start(broker):
    make_worker(queues=["default"])
    broker.lpush("low_priority", "a message", "another")
    broker.lpush("default", "read")

    assert is_found(
        messages.unread_messages(Situation()),
        Status.PROBLEM,
        "low_priority (2)",
        "manage.py worker --queues low_priority",
    )


@pytest.mark.parametrize("queue", ["celery", "hihg_priority"])
def test_messages_in_a_queue_that_is_not_declared_are_found_with_a_worker_that_drains_it(
    broker, queue
):
    make_worker()
    broker.lpush(queue, "a message")

    found = messages.unread_messages(Situation())

    assert is_found(found, Status.PROBLEM, f"{queue} (1)", f"manage.py worker --queues {queue}")
    assert "purge" not in found.remedy
    make_worker(queues=[queue])
    assert messages.unread_messages(Situation()).status == Status.OK


def test_the_brokers_own_bookkeeping_is_no_queue(broker):
    broker.lpush("0f1.reply.celery.pidbox", "reply")
    broker.sadd("_kombu.binding.default", "binding")
    broker.hset("unacked", "tag", "message")

    assert messages.unread_messages(Situation()).status == Status.OK


def test_what_a_broker_holds_that_is_gone_is_unknown(no_broker):
    assert messages.unread_messages(Situation()).status == Status.UNKNOWN


# Workers


def test_without_workers_the_one_to_start_is_named():
    assert is_found(
        workers.workers(Situation()),
        Status.PROBLEM,
        "no worker is alive",
        "manage.py worker --queues high_priority,default,low_priority",
    )


def test_a_queue_that_no_living_worker_reads_is_found():
    make_worker("high@host", queues=["high_priority"])
    make_worker("gone@host", stopped_at=ago(hours=1))
    make_worker("silent@host", heartbeat_at=ago(minutes=5))
    make_run(queue="default")

    finding = workers.workers(Situation())

    assert is_found(
        finding, Status.PROBLEM, "default (1 due run)", "manage.py worker --queues default,low"
    )
    assert "no worker is alive" not in finding.found


def test_due_runs_on_a_queue_that_does_not_exist_are_found():
    make_worker()
    make_run(queue="hihg_priority")

    assert is_found(
        workers.workers(Situation()),
        Status.PROBLEM,
        "hihg_priority (1 due run)",
        "add it to CELERY_TASK_QUEUES",
    )


def test_a_silent_worker_beside_living_ones_is_a_warning():
    make_worker()
    make_worker("silent@host", heartbeat_at=ago(minutes=5))

    assert is_found(workers.workers(Situation()), Status.WARNING, "silent@host", "logs")


def test_every_queue_read_is_ok():
    make_worker("high@host", queues=["high_priority"])
    make_worker()

    finding = workers.workers(Situation())

    assert finding.status == Status.OK
    assert "high_priority by 2, default by 1" in finding.found


# Backlog


@pytest.mark.parametrize(
    ("queue", "waits", "status"),
    [
        ("high_priority", {"seconds": 30}, Status.WARNING),
        ("high_priority", {"minutes": 2}, Status.PROBLEM),
        ("default", {"minutes": 2}, Status.OK),
        ("default", {"minutes": 7}, Status.WARNING),
        ("default", {"minutes": 20}, Status.PROBLEM),
        ("low_priority", {"hours": 3}, Status.OK),
        ("low_priority", {"hours": 30}, Status.WARNING),
        ("low_priority", {"hours": 49}, Status.PROBLEM),
    ],
)
def test_each_queue_may_wait_as_long_as_it_is_meant_to(queue, waits, status):
    make_worker()
    make_run(queue=queue, available_at=ago(**waits), priority=3)
    make_run(queue=queue, available_at=ago(seconds=1), priority=9)

    finding = workers.backlog(Situation())

    assert finding.status == status
    assert f"{queue}: 2 due runs, the oldest for " in finding.found
    if status != Status.OK:
        assert f"manage.py worker --name more --queues {queue}" in finding.remedy


def test_what_is_due_later_is_no_backlog():
    make_run(available_at=ago(minutes=-5))

    assert workers.backlog(Situation()).found == "nothing is due"


def test_a_long_backlog_is_not_counted_to_its_end():
    TaskRun.objects.bulk_create(
        TaskRun(task="a", task_id=f"{number}", queue="default") for number in range(COUNTED + 5)
    )

    assert f"default: {COUNTED:,} due runs or more" in workers.backlog(Situation()).found


# Runs


def test_a_run_beyond_the_hard_limit_is_found_with_its_worker():
    worker = make_worker("hung@host")
    make_run(RunState.RUNNING, worker=worker, started_at=ago(minutes=10))

    assert is_found(
        runs.stuck_runs(Situation()), Status.PROBLEM, "1 run longer", "hung@host", "SIGTERM"
    )


def test_a_run_within_the_hard_limit_is_ok():
    make_run(RunState.RUNNING, worker=make_worker(), started_at=ago(minutes=5))

    assert runs.stuck_runs(Situation()).status == Status.OK


def test_a_task_with_a_longer_limit_of_its_own_is_ok_until_then():
    task = "neural.tasks.advance_training_round"
    run = make_run(RunState.RUNNING, task=task, worker=make_worker(), started_at=ago(minutes=20))

    assert runs.stuck_runs(Situation()).status == Status.OK
    TaskRun.objects.filter(pk=run.pk).update(started_at=ago(minutes=40))
    assert runs.stuck_runs(Situation()).status == Status.PROBLEM


@pytest.mark.parametrize(
    "gone",
    [
        {"lost_at": ago(minutes=5)},
        {"stopped_at": ago(minutes=5)},
        {"heartbeat_at": ago(minutes=5)},
    ],
)
def test_a_run_of_a_worker_that_is_gone_is_found(gone):
    make_run(RunState.RUNNING, worker=make_worker("gone@host", **gone), started_at=ago(minutes=6))

    assert is_found(
        runs.lost_runs(Situation()), Status.PROBLEM, "gone@host", "manage.py relay --once"
    )


@pytest.mark.parametrize("gone", [{}, {"lost_at": 0}, {"heartbeat_at": 25}])
def test_a_run_that_the_relay_will_soon_start_again_is_ok(gone):
    """By so many seconds ago: of the test, not of when it was collected, minutes before."""
    since = {name: ago(seconds=seconds) for name, seconds in gone.items()}
    make_run(RunState.RUNNING, worker=make_worker(**since))

    assert runs.lost_runs(Situation()).status == Status.OK


def fail(times: int, *, minutes: float = 1, work: str = "app.orders") -> None:
    run = make_run(handler=work)
    for number in range(times):
        TaskAttempt.objects.create(
            run=run,
            outcome=AttemptOutcome.FAILED,
            started_at=ago(minutes=minutes),
            finished_at=ago(minutes=minutes),
            error=f"KeyError: {number}",
        )


def test_work_that_keeps_failing_is_found_before_it_is_dead():
    fail(3, work="app.other")
    fail(9)

    assert is_found(
        runs.failing_attempts(Situation()),
        Status.WARNING,
        "12 attempts failed in the last 10 min",
        "9 of app.orders",
        "KeyError: 8",
        "manage.py retry_runs --dry-run",
    )


@pytest.mark.parametrize(("times", "minutes"), [(9, 1), (50, 30)])
def test_few_failures_and_old_ones_are_what_retries_are_for(times, minutes):
    fail(times, minutes=minutes)

    assert runs.failing_attempts(Situation()).status == Status.OK


def test_runs_that_died_lately_are_shown_with_an_example():
    make_run(RunState.DEAD, handler="app.orders", error="KeyError: 'x'")
    make_run(RunState.DEAD, finished_at=ago(days=3))

    assert is_found(
        runs.dead_letters(Situation()),
        Status.WARNING,
        "1 run died",
        "app.orders: KeyError: 'x'",
        "manage.py retry_runs --dry-run",
    )


def test_runs_that_died_long_ago_are_ok():
    make_run(RunState.DEAD, finished_at=ago(days=3))

    assert runs.dead_letters(Situation()).status == Status.OK


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.DEAD])
def test_work_that_no_app_registers_any_more_is_found(state):
    event = make_event()
    make_run(state, event=event, handler="gone.handler")
    make_run(state, task="gone.tasks.task")
    make_run(event=event, handler="neural.record_stock")

    finding = runs.unregistered_work(Situation())

    assert is_found(
        finding,
        Status.PROBLEM,
        "handler gone.handler (1 run)",
        "task gone.tasks.task (1 run)",
        "retry_runs --handler gone.handler; manage.py retry_runs --task gone.tasks.task",
    )
    assert "record_stock" not in finding.found


def test_unregistered_work_that_is_done_is_ok():
    make_run(RunState.SUCCEEDED, task="gone.tasks.task")

    assert runs.unregistered_work(Situation()).status == Status.OK


# The whole


@pytest.fixture
def patient_database(monkeypatch):
    """However long a busy machine keeps a statement waiting, no probe gives up."""
    monkeypatch.setattr("neural.health.database.impatient_database", nullcontext)


@pytest.mark.usefixtures("patient_database")
def test_when_all_is_well_every_probe_says_ok():
    make_worker()

    assert {finding.status for finding in examine(healthy())} == {Status.OK}


def test_whatever_is_not_ok_has_a_remedy(no_broker):
    make_run(queue="low_priority", available_at=ago(days=9))
    make_worker(queues=["low_priority"])

    wrong = [each for each in examine() if each.status in (Status.WARNING, Status.PROBLEM)]

    assert {"broker", "workers", "backlog"} <= {each.probe for each in wrong}
    assert all(each.remedy for each in wrong)


def test_a_probe_that_fails_is_a_finding_and_stops_no_other(monkeypatch, no_broker):
    def fail(situation):
        raise RuntimeError("unexpected")

    failing = replace(CHECKS.get("clock"), probe=fail)
    monkeypatch.setitem(CHECKS._things, "clock", failing)

    found = look()

    assert is_found(found["clock"], Status.PROBLEM, "RuntimeError: unexpected", "--traceback")
    assert "unregistered" in found


def test_the_command_prints_a_line_a_probe_and_ends_with_1_when_something_is_wrong(
    capsys, no_broker
):
    with pytest.raises(SystemExit) as end:
        call_command("doctor", "--no-color")

    lines = capsys.readouterr().out.splitlines()
    assert end.value.code == 1
    assert len(lines) == len(examine(healthy()))
    assert any(line.startswith("problem  broker") and " → start it" in line for line in lines)


@pytest.mark.usefixtures("patient_database")
def test_when_all_is_well_it_ends_with_0(monkeypatch, capsys):
    make_worker()
    monkeypatch.setattr("neural.health.commands.doctor.examine", lambda: examine(healthy()))

    call_command("doctor", "--json")

    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is True
    assert {each["probe"] for each in told["findings"]} >= {"database", "broker", "workers"}


def test_with_database_and_broker_gone_it_still_answers_without_a_traceback(tmp_path):
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "zhilian.settings",
        "ZHILIAN_VAR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/no/such/directory/db.sqlite3",
        "CELERY_BROKER_URL": f"redis+socket://{tmp_path}/none.sock",
    }

    ended, findings = doctoring.asked(environment)

    assert ended.returncode == 1
    assert findings["database"]["status"] == "problem"
    assert "DATABASE_URL" in findings["database"]["remedy"]
    assert findings["workers"]["status"] == "unknown"
    assert "Traceback" not in ended.stderr


def test_heartbeats_are_judged_by_the_setting(settings):
    settings.NEURAL = {"worker_lost_seconds": 1000}
    make_worker(heartbeat_at=ago(seconds=500))

    assert conf().worker_lost_seconds == 1000
    assert workers.workers(Situation()).status == Status.OK


# Languages


@pytest.mark.parametrize(
    ("chosen", "environment", "language"),
    [
        ("zh-hans", {}, "zh-hans"),
        ("zh-CN", {"LANG": "en_US.UTF-8"}, "zh-hans"),
        (None, {"LANG": "zh_CN.UTF-8"}, "zh-hans"),
        (None, {"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, "en"),
        (None, {"LANG": "C.UTF-8"}, "en"),
        (None, {"LANG": "fr_FR.UTF-8"}, "en"),
        (None, {}, "en"),
    ],
)
def test_it_speaks_as_it_is_told_else_as_the_terminal_else_as_the_project(
    chosen, environment, language
):
    assert language_of(chosen, environment) == language


def test_in_chinese_every_word_but_names_and_commands_is_chinese(capsys, no_broker):
    make_run(queue="low_priority", available_at=ago(days=9))
    make_run(RunState.DEAD, error="E")

    with pytest.raises(SystemExit):
        call_command("doctor", "--language", "zh-hans", "--no-color")

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(examine(healthy()))
    assert all(re.search("[\u4e00-\u9fff]{2}", line[20:]) for line in lines), lines
    assert any(line.startswith("问题     broker") for line in lines)
    assert any("manage.py worker --queues high_priority,default,low_priority" in x for x in lines)


def test_probes_and_statuses_of_the_json_are_the_same_in_every_language(capsys, no_broker):
    told = []
    for language in ("en", "zh-hans"):
        with pytest.raises(SystemExit):
            call_command("doctor", "--json", "--language", language)
        told.append(json.loads(capsys.readouterr().out)["findings"])

    english, chinese = told
    assert [(e["probe"], e["status"]) for e in english] == [
        (c["probe"], c["status"]) for c in chinese
    ]
    assert all(e["found"] != c["found"] for e, c in zip(english, chinese, strict=True))


def test_a_language_that_is_not_there_is_wrong_usage():
    with pytest.raises(CommandError, match="no language") as wrong:
        call_command("doctor", "--language", "xx")

    assert wrong.value.returncode == 2


def test_a_paused_queue_is_a_warning_and_its_backlog_is_no_problem():
    make_worker()
    make_run(queue="high_priority", available_at=ago(hours=1))
    assert is_found(
        workers.backlog(Situation()), Status.PROBLEM, "high_priority: 1 due run", "add one"
    )

    pause(queue="high_priority", reason="the printer is being repaired", by="lee")

    assert workers.backlog(Situation()).status == Status.OK
    at_once = Situation()
    at_once.now = pauses().get().since
    assert is_found(
        workers.paused_queues(at_once),
        Status.WARNING,
        "lee paused high_priority 0 s ago, without an end: the printer is being repaired",
        "manage.py queue resume high_priority",
    )


def test_a_pause_with_an_end_says_how_long_it_lasts():
    pause(queue="low_priority", reason="closing", by="lee", until=ago(seconds=-3600))

    found = workers.paused_queues(Situation())

    assert "for another 60 min: closing" in found.found


def test_without_a_pause_there_is_nothing_to_say():
    assert workers.paused_queues(Situation()).status == Status.OK
