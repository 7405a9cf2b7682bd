"""Migrations change large tables while workers use them: no table is copied, no lock is long."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, connections, models, transaction
from django.db.migrations import AddConstraint
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState
from django.db.models import Value
from django.test.utils import CaptureQueriesContext

from neural.kit import online
from neural.kit.online import (
    AddColumn,
    AddColumns,
    AddIndexInUse,
    AddUniqueInUse,
    RemoveConstraintInUse,
    WidenColumn,
)
from neural.restaurant.models.amounts import QuantityField

pytestmark = pytest.mark.django_db(transaction=True)

TABLE = "neural_online_test"
POSTGRESQL = connection.vendor == "postgresql"


@pytest.fixture
def state() -> Iterator[ProjectState]:
    """A table with one row."""
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
    ]
    made = ProjectState()
    made.add_model(ModelState("neural", "Thing", fields, {"db_table": TABLE}))
    with connection.schema_editor() as editor:
        editor.create_model(made.apps.get_model("neural", "Thing"))
    made.apps.get_model("neural", "Thing").objects.create(name="old")
    yield made
    execute(f"DROP TABLE {TABLE}")


def execute(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def apply(state: ProjectState, operation: Any) -> tuple[ProjectState, list[str]]:
    """The state after the operation, and the statements that changed the table for it."""
    after = state.clone()
    operation.state_forwards("neural", after)
    with (
        CaptureQueriesContext(connection) as queries,
        connection.schema_editor(atomic=False) as editor,
    ):
        operation.database_forwards("neural", editor, state, after)
    made = [each["sql"] for each in queries.captured_queries]
    return after, [sql for sql in made if sql.startswith(("ALTER", "CREATE", "DROP", "INSERT"))]


def fetched(query: str, *values: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchone()[0]


def columns() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {TABLE}")
        return [column[0] for column in cursor.description]


def things(state: ProjectState) -> Any:
    return state.apps.get_model("neural", "Thing").objects


def add(state: ProjectState, name: str, field: models.Field) -> tuple[ProjectState, list[str]]:
    return apply(state, AddColumn(model_name="thing", name=name, field=field))


def test_a_column_is_added_in_place_and_old_rows_have_its_default(state):
    bill = models.JSONField(default=list, db_default=Value([], models.JSONField()))

    state, statements = add(state, "bill", bill)

    assert [each.split(" ADD COLUMN ")[0] for each in statements] == [f'ALTER TABLE "{TABLE}"']
    assert things(state).get().bill == []


def test_a_column_that_an_interrupted_migration_has_added_is_left_alone(state):
    tip = models.IntegerField(default=3, db_default=3)
    add(state, "tip", tip)

    state, statements = add(state, "tip", tip)

    assert statements == []
    assert things(state).get().tip == 3


def test_several_columns_come_with_one_making_of_the_models_and_go_again(state, monkeypatch):
    made: list[int] = []
    reload = ProjectState._reload
    monkeypatch.setattr(ProjectState, "_reload", lambda *args: made.append(1) or reload(*args))
    added = AddColumns(
        "thing",
        [
            ("tip", models.IntegerField(default=3, db_default=3)),
            ("note", models.CharField(max_length=5, default="", db_default="", db_index=True)),
            ("bill", models.JSONField(default=list, db_default=Value([], models.JSONField()))),
        ],
    )
    before = state.clone()
    assert before.apps

    after, statements = apply(before, added)

    assert made == [1]
    assert len([each for each in statements if " ADD COLUMN " in each]) == 3
    row = things(after).get()
    assert (row.tip, row.note, row.bill) == (3, "", [])
    with connection.schema_editor(atomic=False) as editor:
        added.database_backwards("neural", editor, after, before)
    assert {*columns()} == {"id", "name"}
    assert things(before).get().name == "old"


def test_rows_by_workers_of_the_version_before_get_the_default(state):
    state, _ = add(state, "note", models.CharField(max_length=5, default="", db_default=""))

    execute(f"INSERT INTO {TABLE} (name) VALUES ('theirs')")

    assert things(state).get(name="theirs").note == ""


def test_the_check_of_a_column_is_kept(state):
    state, statements = add(state, "guests", models.PositiveIntegerField(null=True))

    with pytest.raises(IntegrityError), transaction.atomic():
        things(state).create(name="new", guests=-1)
    if POSTGRESQL:  # the rows are read after the column's lock is given back
        assert ["NOT VALID" in each for each in statements] == [True, False]


def test_a_text_column_takes_longer_values(state):
    wider = models.CharField(max_length=20)

    state, _ = apply(state, WidenColumn(model_name="thing", name="name", field=wider))

    things(state).create(name="x" * 20)


def test_a_number_keeps_its_checks_and_takes_all_its_digits_without_a_copy_of_the_table(state):
    """PostgreSQL reads the rows for the check after the column's lock is given back."""
    state, _ = add(
        state, "quantity", models.DecimalField(max_digits=12, decimal_places=3, null=True)
    )
    checked = models.CheckConstraint(
        condition=models.Q(quantity__gte=0), name="online_not_negative"
    )
    state, _ = apply(state, AddConstraint("thing", checked))
    things(state).create(name="known", quantity="1.5")
    file = "SELECT pg_relation_filenode(%s)"
    before = fetched(file, TABLE) if POSTGRESQL else None
    widen = WidenColumn(model_name="thing", name="quantity", field=QuantityField(null=True))

    state, statements = apply(state, widen)
    _, again = apply(state, widen)  # as after an interruption

    things(state).create(name="new", quantity=Decimal("0.000385"))
    assert things(state).get(name="new").quantity == Decimal("0.000385")
    assert things(state).get(name="known").quantity == Decimal("1.5")
    with pytest.raises(IntegrityError), transaction.atomic():
        things(state).create(name="wrong", quantity=-1)
    if POSTGRESQL:
        assert ["NOT VALID" in each for each in statements] == [True, False]
        assert ["VALIDATE" in each for each in again] == [False, True]
        assert fetched(file, TABLE) == before  # a table that is written anew has another one
        assert fetched(
            "SELECT bool_and(convalidated) FROM pg_constraint WHERE conname = %s",
            "online_not_negative",
        )


def test_an_index_is_built_beside_writers_also_over_an_incomplete_one(state):
    index = models.Index(fields=["name"], name="neural_online_by_name")
    operation = AddIndexInUse(model_name="thing", index=index)
    apply(state, operation)

    _, statements = apply(state, operation)

    with connection.cursor() as cursor:
        assert index.name in connection.introspection.get_constraints(cursor, TABLE)
    assert bool(statements) == POSTGRESQL  # an index of SQLite is always complete
    assert all("CONCURRENTLY" in each for each in statements)


def test_a_longer_unique_constraint_takes_the_place_of_another_beside_writers(state):
    state, _ = add(state, "day", models.IntegerField(default=1, db_default=1))
    short = models.UniqueConstraint(fields=["name"], name="neural_online_identity")
    state, _ = apply(state, AddConstraint(model_name="thing", constraint=short))
    longer = models.UniqueConstraint("name", "day", name="neural_online_longer")
    added = AddUniqueInUse(model_name="thing", constraint=longer)
    apply(state, added)

    state, statements = apply(state, added)
    assert all("CONCURRENTLY" in each for each in statements)
    state, _ = apply(state, RemoveConstraintInUse(model_name="thing", name=short.name))

    things(state).create(name="old", day=2)
    with pytest.raises(IntegrityError), transaction.atomic():
        things(state).create(name="old", day=1)


@pytest.mark.skipif(
    not POSTGRESQL, reason="SQLite's editor refuses a transaction with foreign keys"
)
def test_an_index_can_be_added_within_a_transaction_of_a_caller(state):
    index = models.Index(fields=["name"], name="neural_online_by_name")

    with transaction.atomic():
        _, statements = apply(state, AddIndexInUse(model_name="thing", index=index))

    assert not any("CONCURRENTLY" in each for each in statements)


@pytest.mark.skipif(not POSTGRESQL, reason="SQLite has one lock, and waits for it as writers do")
def test_a_change_lets_others_go_first_while_a_long_transaction_has_the_table(state, monkeypatch):
    monkeypatch.setattr(online, "LONGEST_WAIT", "10ms")
    with reading(TABLE) as end:
        pauses: list[float] = []
        monkeypatch.setattr(online.time, "sleep", lambda pause: (pauses.append(pause), end()))

        state, _ = add(state, "tip", models.IntegerField(default=3, db_default=3))

    assert pauses
    assert things(state).get().tip == 3
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)


@contextmanager
def reading(table: str) -> Iterator[Callable[[], None]]:
    """Another connection that has read the table and has not ended its transaction; yields what
    ends it."""
    other = connections["default"].copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
    try:
        yield other.rollback
    finally:
        other.close()


def test_a_migration_that_changes_a_large_table_is_not_one_transaction():
    """In one, each lock would last until the end of all its changes."""
    loader = MigrationLoader(None)
    ours = {
        name: migration
        for name, migration in loader.disk_migrations.items()
        if any(type(each).__module__ == "neural.kit.online" for each in migration.operations)
    }

    assert [name for name, migration in ours.items() if migration.atomic] == []
