"""Each app has one first migration. A database of the commit before goes on with it, and becomes
what a new database is.

`first/` has two dumps of such a database, newly migrated by the commit that the check names: all
eight apps and Django's own, each row that a `migrate` makes. It also has two of each release, with
the days of some tills (`make dumps`): these are carried on by every version after it.
"""

import gzip
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from neural.forecasting.models import TrainingPlan
from neural.health.system_checks import check_migrated_whole
from neural.models import ShippedDefault, Store
from neural.restaurant.models import Order

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sqlite,
    pytest.mark.django_db(transaction=True),
    pytest.mark.takes(seconds=4),
]

OTHER = "other"
FIRST = Path(__file__).parent / "first"
FORMER = FIRST / f"{connection.vendor}.sql.gz"
RELEASED = sorted(FIRST.glob(f"[0-9]*.{connection.vendor}.sql.gz"))
OF_DJANGO = ("admin", "auth", "contenttypes", "django_celery_beat", "django_celery_results")
OURS = (
    "neural",
    "neural_api",
    "neural_forecasting",
    "neural_hooks",
    "neural_logins",
    "neural_monitoring",
    "neural_restaurant",
    "neural_retrieval",
)
SCHEDULES = [
    "neural: demand analysis",
    "neural: federated training",
    "neural: retention",
    "neural: search indexes",
    "neural: what was missed",
]
SINCE = SCHEDULES[-1:]
"""What a former database has not had yet."""


def name_of_other() -> str:
    return f"{connection.settings_dict['NAME']}_other"


def forget() -> None:
    if connection.vendor == "sqlite":
        Path(name_of_other()).unlink(missing_ok=True)
        return
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name_of_other()}" WITH (FORCE)')


@pytest.fixture
def other() -> Iterator[str]:
    """Another database, empty."""
    PeriodicTask.objects.all().delete()  # beat looks for a name in the default database alone
    forget()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name_of_other()}"')
    opened = connections["default"].copy(OTHER)
    opened.settings_dict["NAME"] = name_of_other()
    connections[OTHER] = opened
    try:
        yield OTHER
    finally:
        opened.close()
        del connections[OTHER]
        forget()


@pytest.fixture
def former(other) -> str:
    """Another database, as the commit before migrated it."""
    return restored(FORMER, other)


@pytest.fixture(params=RELEASED, ids=lambda path: path.name.partition(f".{connection.vendor}")[0])
def released(request, other) -> str:
    """Another database, as a release left it."""
    return restored(request.param, other)


def restored(dump: Path, other: str) -> str:
    statements = gzip.decompress(dump.read_bytes()).decode()
    if connection.vendor == "sqlite":
        with sqlite3.connect(name_of_other()) as file:
            file.executescript(statements)
        file.close()
    else:
        with connections[other].cursor() as cursor:
            cursor.execute(statements)
        connections[other].close()  # the dump has set this connection's options
    return other


def migrate() -> None:
    call_command("migrate", database=OTHER, verbosity=0, skip_checks=False)


# The schema, as text

OF_POSTGRESQL = (
    """
    SELECT concat_ws(' ', attrelid::regclass, attnum - (
        SELECT count(*) FROM pg_attribute AS dropped
        WHERE dropped.attrelid = pg_attribute.attrelid AND dropped.attisdropped
            AND dropped.attnum BETWEEN 1 AND pg_attribute.attnum), attname,
        format_type(atttypid, atttypmod), attnotnull, attidentity,
        (SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef
         WHERE adrelid = attrelid AND adnum = attnum))
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relname LIKE 'neural%%' AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
    """,
    """
    SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
    FROM pg_constraint WHERE conrelid::regclass::text LIKE 'neural%%'
    """,
    "SELECT indexdef FROM pg_indexes WHERE tablename LIKE 'neural%%'",
    """
    SELECT pg_get_triggerdef(oid) FROM pg_trigger
    WHERE tgrelid::regclass::text LIKE 'neural%%' AND NOT tgisinternal
    """,
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname LIKE 'neural%%'",
)


# A condition that was restored from a dump is the same one with other casts and parentheses.
_WRITTEN_ANEW = re.compile(r"::(text|character varying)(\[\])?|[()]")


def schema(alias: str) -> list[str]:
    """A dump of what there is in our tables' schema. On SQLite in no order of columns: it adds one
    by making the table anew; and without lengths, which mean nothing to it."""
    with connections[alias].cursor() as cursor:
        if connection.vendor == "postgresql":
            dumped = []
            for query in OF_POSTGRESQL:
                cursor.execute(query)
                dumped += sorted(_WRITTEN_ANEW.sub("", line) for (line,) in cursor.fetchall())
            return dumped
        cursor.execute("SELECT sql FROM sqlite_master WHERE tbl_name LIKE 'neural%%' AND sql != ''")
        return sorted(_without_order(sql) for (sql,) in cursor.fetchall())


def _without_order(sql: str) -> str:
    sql = re.sub(r"varchar\(\d+\)", "varchar", sql)
    if not sql.startswith("CREATE TABLE"):
        return sql
    head, _, parts = sql.partition(" (")
    columns = re.split(r', (?=["C])', parts.removesuffix(")"))
    return f"{head}: {sorted(columns)}"


def tables(alias: str) -> set[str]:
    names = connections[alias].introspection.table_names()
    return {name for name in names if name.startswith("neural_")}


def test_a_former_database_goes_on_and_becomes_what_a_new_one_is(former):
    kinds = ContentType.objects.using(former)
    kept = list(kinds.values()), list(Permission.objects.using(former).values())
    assert tuple(map(len, kept)) == (83, 330)

    migrate()

    assert schema(former) == schema("default")
    rows = list(kinds.values()), list(Permission.objects.using(former).values())
    for before, now in zip(kept, rows, strict=True):
        assert [each for each in before if each not in now] == []


def counts(alias: str) -> dict[str, int]:
    with connections[alias].cursor() as cursor:
        found = {}
        for table in tables(alias):
            cursor.execute(f'SELECT count(*) FROM "{table}"')
            (found[table],) = cursor.fetchone()
    return found


def test_a_database_of_each_release_becomes_what_a_new_one_is_and_keeps_its_rows(released):
    before = counts(released)
    assert before["neural_taskrun"] > 100

    migrate()

    assert schema(released) == schema("default")
    now = counts(released)
    assert {name: now.get(name) for name, rows in before.items() if rows} == {
        name: rows for name, rows in before.items() if rows
    }
    for label in OURS:
        for model in apps.get_app_config(label).get_models():
            rows = list(model._base_manager.using(released))  # each value can be read
            assert len(rows) >= before.get(model._meta.db_table, 0)


def test_the_database_itself_keeps_the_audit_log_in_both(former):
    migrate()

    for alias in (former, "default"):
        made = [line for line in schema(alias) if "TRIGGER" in line]
        triggers = [line for line in made if "neural_audit" in line]
        assert len(triggers) == {"sqlite": 6, "postgresql": 4}[connection.vendor]


def test_an_app_that_depends_on_a_former_migration_is_migrated(former):
    migrate()  # tests.probe depends on the last former one of the core

    assert "probe_counter" in connections[former].introspection.table_names()


def test_the_former_rows_stay_and_a_cancelled_order_stays_cancelled(former):
    with connections[former].cursor() as cursor:
        cursor.execute("INSERT INTO neural_store (code) VALUES ('S1')")
        cursor.execute(
            "INSERT INTO neural_order (store_id, number, state, cancel_version)"
            " VALUES ('S1', 'A-17', 'cancelled', %s)",
            [b"\x01"],
        )

    migrate()

    order = Order.objects.using(former).get()
    assert (order.key, order.state, order.status) == ("A-17", "cancelled", "cancelled")
    assert bytes(order.status_version) == b"\x01"
    assert Store.objects.using(former).count() == 1


@pytest.mark.parametrize(
    ("app", "lacking"),
    [
        ("neural_restaurant", ["0008_order_delivery", "0009_day_close_by_currency"]),
        ("neural", ["0020_audit_log_is_never_emptied"]),
    ],
)
def test_a_database_that_has_only_some_of_them_is_refused(former, app, lacking):
    recorder = MigrationRecorder(connections[former])
    recorder.migration_qs.filter(app=app, name__in=lacking).delete()
    before = schema(former)

    with pytest.raises(SystemCheckError) as refused:
        migrate()

    assert f"of {app} replaces; it lacks {', '.join(lacking)}" in str(refused.value)
    assert "Check out the commit 4a01e2d8" in str(refused.value)
    assert schema(former) == before


def test_a_database_that_has_all_or_none_of_them_is_not_refused(former):
    assert check_migrated_whole(databases=["default", former]) == []
    recorder = MigrationRecorder(connections[former])
    recorder.migration_qs.filter(app="neural_restaurant").delete()  # an app that came later
    assert check_migrated_whole(databases=[former]) == []


def test_every_app_begins_with_one_migration_under_a_name_never_used_before():
    """A migration that replaces one of its own name would vanish, and its tables with it."""
    found = MigrationLoader(None).disk_migrations
    for label in OURS:
        first = found[label, "0001_first"]
        assert (label, "0001_first") not in first.replaces
        assert {name for name in found if name[0] == label}.isdisjoint(first.replaces)


def test_the_apps_can_be_taken_out_and_come_again(former):
    migrate()

    for label in OURS[1:]:
        call_command("migrate", label, "zero", database=OTHER, verbosity=0)
        theirs = {model._meta.db_table for model in apps.get_app_config(label).get_models()}
        assert not theirs & tables(former)
    migrate()

    assert schema(former) == schema("default")


class NothingOfOurs:
    """A router that keeps our tables, and those that refer to them, out of every database."""

    def allow_migrate(self, db, app_label, **hints):
        return None if app_label in OF_DJANGO else False


def test_a_database_that_gets_no_table_gets_nothing_that_comes_with_them(other, settings):
    settings.DATABASE_ROUTERS = [NothingOfOurs()]

    migrate()

    assert schema(other) == []
    assert not shipped(other)


# What comes with the apps


def shipped(alias: str) -> list[str]:
    names = PeriodicTask.objects.using(alias).values_list("name", flat=True)
    return sorted(name for name in names if name.startswith("neural"))


def test_a_new_database_gets_what_comes_with_the_apps(other):
    migrate()

    assert shipped(other) == SCHEDULES
    assert TrainingPlan.objects.using(other).count() == 1


def test_a_second_database_without_a_router_gets_them_beside_the_first(other):
    crontab = CrontabSchedule.objects.create()
    PeriodicTask.objects.create(name=SCHEDULES[0], task="stock.count", crontab=crontab)

    migrate()

    assert shipped(other) == SCHEDULES
    assert shipped("default") == SCHEDULES[:1]


def test_what_people_deleted_in_a_former_database_stays_away(former):
    PeriodicTask.objects.using(former).filter(name__startswith="neural").delete()
    TrainingPlan.objects.using(former).all().delete()

    migrate()

    assert shipped(former) == SINCE
    assert not TrainingPlan.objects.using(former).exists()
    assert ShippedDefault.objects.using(former).count() == len(SCHEDULES) + 1


def test_what_a_former_migrate_left_to_be_made_is_made_and_its_notes_go(former):
    PeriodicTask.objects.using(former).filter(name=SCHEDULES[0]).delete()
    recorder = MigrationRecorder(connections[former])
    recorder.record_applied("neural: to be made", SCHEDULES[0])

    migrate()

    assert shipped(former) == SCHEDULES
    assert not recorder.migration_qs.filter(app__startswith="neural:").exists()


def test_what_comes_with_an_app_that_is_added_later_comes_with_it(former):
    label = "neural_monitoring"
    recorder = MigrationRecorder(connections[former])
    recorder.migration_qs.filter(app=label).delete()
    ContentType.objects.using(former).filter(app_label=label).delete()
    PeriodicTask.objects.using(former).filter(name="neural: retention").delete()
    with connections[former].schema_editor() as editor:
        for table in {model._meta.db_table for model in apps.get_app_config(label).get_models()}:
            if table in tables(former):
                editor.execute(editor.sql_delete_table % {"table": table})

    migrate()

    assert shipped(former) == SCHEDULES


def test_it_comes_also_after_a_migrate_that_was_interrupted(other, monkeypatch):
    """Each migration is committed by itself, and what comes with them is made after the last."""
    apply = MigrationExecutor.apply_migration

    def apply_until_killed(self, state, migration, **options):
        if migration.app_label == "sessions":
            raise KeyboardInterrupt
        return apply(self, state, migration, **options)

    with monkeypatch.context() as patched:
        patched.setattr(MigrationExecutor, "apply_migration", apply_until_killed)
        with pytest.raises(KeyboardInterrupt):
            migrate()
    assert "neural_trainingplan" in tables(other)
    migrate()

    plans = TrainingPlan.objects.using(other)
    assert (shipped(other), plans.count()) == (SCHEDULES, 1)

    PeriodicTask.objects.using(other).filter(name__startswith="neural").delete()
    plans.all().delete()
    migrate()
    assert (shipped(other), plans.count()) == ([], 0)
