"""A database of the time when everything was the app `neural` is carried over by `migrate`."""

import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import PeriodicTask

from neural.adopting import TablesHalfThere
from neural.forecasting.models import TrainingPlan
from neural.made_once import NOTED_AS
from neural.restaurant.models import Order

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.takes(seconds=4)]

OTHER = "carried"
LAST = "0013_writes_of_search_indexes"
OTHER_APPS = ("admin", "auth", "contenttypes", "django_celery_beat", "django_celery_results")


class Files:
    """Databases of SQLite by name, beside the one of this run."""

    def path(self, name: str) -> str:
        return f"{connection.settings_dict['NAME']}-{name}"

    def make(self, name: str) -> None:
        self.forget(name)

    def copy(self, name: str, to: str) -> None:
        shutil.copy(self.path(name), self.path(to))

    def forget(self, name: str) -> None:
        Path(self.path(name)).unlink(missing_ok=True)


class OnServer:
    """Databases of PostgreSQL by name, beside the one of this run."""

    def path(self, name: str) -> str:
        return f"{connection.settings_dict['NAME']}_{name}"

    def make(self, name: str) -> None:
        self._create(name, "template1")

    def copy(self, name: str, to: str) -> None:
        self._create(to, self.path(name))

    def _create(self, name: str, template: str) -> None:
        self.forget(name)
        _execute(f'CREATE DATABASE "{self.path(name)}" TEMPLATE "{template}"')

    def forget(self, name: str) -> None:
        _execute(f'DROP DATABASE IF EXISTS "{self.path(name)}" WITH (FORCE)')


def _execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


DATABASES = OnServer() if connection.vendor == "postgresql" else Files()


@pytest.fixture
def other() -> Iterator[str]:
    """Another database, empty."""
    PeriodicTask.objects.all().delete()  # beat looks for a name in the default database alone
    opened = connections["default"].copy(OTHER)
    opened.settings_dict["NAME"] = DATABASES.path(OTHER)
    DATABASES.make(OTHER)
    connections[OTHER] = opened
    try:
        yield OTHER
    finally:
        opened.close()
        del connections[OTHER]
        DATABASES.forget(OTHER)


@pytest.fixture(scope="module", autouse=True)
def _forget_those_of_then(django_db_setup, django_db_blocker) -> Iterator[None]:
    yield
    with django_db_blocker.unblock():
        while _of_then:
            DATABASES.forget(_of_then.pop())


_of_then: list[str] = []


def migrate_as_then(last: str) -> None:
    """Bring the other database to a state of that time: made once, and copied."""
    if last in _of_then:
        DATABASES.copy(last, to=OTHER)
    else:
        _migrate_as_then(last)
        connections[OTHER].close()
        DATABASES.copy(OTHER, to=last)
        _of_then.append(last)


def _migrate_as_then(last: str) -> None:
    """Migrate to a state of that time, with what Django makes after a migration."""
    for app in OTHER_APPS:
        call_command("migrate", app, database=OTHER, verbosity=0)
    MigrationRecorder(connections[OTHER]).migration_qs.filter(app=NOTED_AS).delete()  # not then
    executor = MigrationExecutor(connections[OTHER])
    executor.loader = MigrationLoader(connections[OTHER], replace_migrations=False)
    state = executor.migrate([("neural", last)])
    for model in state.apps.get_models():
        if model._meta.app_label == "neural":
            of_then = ContentType.objects.using(OTHER).create(
                app_label="neural", model=model._meta.model_name
            )
            Permission.objects.using(OTHER).create(
                content_type=of_then, codename=f"view_{model._meta.model_name}", name="Can view"
            )


def migrate() -> None:
    call_command("migrate", database=OTHER, verbosity=0)


def schema(alias: str) -> dict[str, tuple[set, dict]]:
    """Of each table of ours its columns, and its constraints and indexes by name."""
    introspection = connections[alias].introspection
    found = {}
    with connections[alias].cursor() as cursor:
        for table in introspection.table_names(cursor):
            if table.startswith("neural_"):
                columns = introspection.get_table_description(cursor, table)
                constraints = introspection.get_constraints(cursor, table)
                found[table] = (
                    {(column.name, column.type_code, column.null_ok) for column in columns},
                    {
                        name: (each["columns"], each["unique"], each["index"], each["check"])
                        for name, each in constraints.items()
                        if not name.startswith("__unnamed")
                    },
                )
    return found


@pytest.mark.parametrize("last", ["0003_run_options", "0008_search_page", LAST])
def test_its_tables_become_those_that_a_new_database_has(other, last):
    migrate_as_then(last)

    migrate()

    assert schema(other) == schema("default")


@pytest.mark.parametrize("last", ["0008_search_page", LAST])
def test_people_keep_what_they_may_and_what_they_did(other, last):
    migrate_as_then(last)
    person = get_user_model().objects.using(other).create(username="lee")
    kinds = ContentType.objects.using(other)
    orders = kinds.get(app_label="neural", model="order")
    person.user_permissions.set(Permission.objects.using(other).filter(content_type=orders))
    LogEntry.objects.using(other).create(
        user=person, content_type=orders, object_id="1", object_repr="A-17", action_flag=CHANGE
    )

    migrate()

    assert person.user_permissions.get().content_type.app_label == "neural_restaurant"
    entry = LogEntry.objects.using(other).get()
    assert (entry.content_type.app_label, entry.object_repr) == ("neural_restaurant", "A-17")
    stale = [each for each in kinds.filter(app_label="neural") if each.model_class() is None]
    assert stale == []


def holder_of_orders() -> ContentType:
    return ContentType.objects.using(OTHER).get(model="order")


def test_people_keep_it_whoever_asks_to_fake_what_is_there(other):
    migrate_as_then(LAST)
    before = holder_of_orders().pk

    call_command("migrate", database=OTHER, verbosity=0, fake_initial=True)

    assert (holder_of_orders().pk, holder_of_orders().app_label) == (before, "neural_restaurant")


def test_what_is_only_shown_changes_nothing(other):
    migrate_as_then(LAST)
    before = schema(other)
    shown = StringIO()

    call_command("sqlmigrate", "neural_restaurant", "0001", database=OTHER, stdout=shown)
    call_command("migrate", database=OTHER, plan=True, stdout=shown)

    assert 'CREATE TABLE "neural_order"' in shown.getvalue()
    assert "Create model Order" in shown.getvalue()
    assert schema(other) == before
    assert holder_of_orders().app_label == "neural"


def test_apps_that_were_carried_over_can_be_taken_out_and_come_again(other):
    migrate_as_then(LAST)
    migrate()

    for app in ("neural_restaurant", "neural_retrieval", "neural_forecasting"):
        call_command("migrate", app, "zero", database=OTHER, verbosity=0)
        theirs = {model._meta.db_table for model in apps.get_app_config(app).get_models()}
        assert not theirs & set(schema(other))
    migrate()

    assert schema(other) == schema("default")
    assert holder_of_orders().app_label == "neural_restaurant"


def test_a_database_that_gets_no_table_gets_nothing_that_comes_with_them(other, settings):
    settings.DATABASE_ROUTERS = [NothingOfOurs()]

    migrate()

    assert schema(other) == {}
    assert not PeriodicTask.objects.using(other).filter(name__startswith="neural").exists()


class NothingOfOurs:
    """A router that keeps our tables, and those that refer to them, out of every database."""

    def allow_migrate(self, db, app_label, **hints):
        return None if app_label in OTHER_APPS else False


def test_rows_stay_where_they_are(other):
    migrate_as_then(LAST)
    with connections[other].cursor() as cursor:  # with the columns of that time
        cursor.execute("INSERT INTO neural_store (code) VALUES ('S1')")
        cursor.execute(
            "INSERT INTO neural_order (store_id, number, state) VALUES ('S1', 'A-17', 'cancelled')"
        )
    plan = TrainingPlan.objects.using(other).create(model_type="demand_glm")
    plan.participants.add("S1")

    migrate()

    placed = Order.objects.using(other).get()
    assert (placed.key, placed.number, placed.state) == ("A-17", "A-17", "cancelled")
    assert [each.pk for each in plan.participants.all()] == ["S1"]


def test_what_people_deleted_of_what_came_with_it_stays_away(other):
    migrate_as_then(LAST)
    PeriodicTask.objects.using(other).filter(name__startswith="neural").delete()
    TrainingPlan.objects.using(other).all().delete()

    migrate()

    ours = PeriodicTask.objects.using(other).filter(name__startswith="neural")
    assert [each.name for each in ours] == ["neural: retention"], "which is news"
    assert not TrainingPlan.objects.using(other).exists()


def test_a_new_database_gets_what_comes_with_the_apps(other):
    migrate()

    names = PeriodicTask.objects.using(other).values_list("name", flat=True)
    assert sorted(name for name in names if name.startswith("neural")) == [
        "neural: demand analysis",
        "neural: federated training",
        "neural: retention",
        "neural: search indexes",
    ]
    assert TrainingPlan.objects.using(other).count() == 1


def test_what_comes_with_the_apps_comes_also_after_a_migration_that_was_interrupted(
    other, monkeypatch
):
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
    assert "neural_trainingplan" in schema(other)
    migrate()

    ours = PeriodicTask.objects.using(other).filter(name__startswith="neural")
    assert (ours.count(), TrainingPlan.objects.using(other).count()) == (4, 1)

    ours.delete()
    TrainingPlan.objects.using(other).all().delete()
    migrate()
    assert (ours.count(), TrainingPlan.objects.using(other).count()) == (0, 0)


def test_it_is_refused_where_only_some_tables_are_there(other):
    migrate_as_then(LAST)
    with connections[other].cursor() as cursor:
        cursor.execute("DROP TABLE neural_shift")

    with pytest.raises(TablesHalfThere, match=r"neural_shift.*restore the database"):
        migrate()

    assert "neural_order" in schema(other)  # the other tables were not touched
