"""The audit log is only ever added to: the model refuses it, and so does the database."""

import asyncio
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.core.management.commands import flush
from django.db import DatabaseError, connection, transaction

from neural.audit import record
from neural.models import AuditedRow, AuditEntry, AuditLogIsAppendOnly, AuditSource
from tests import emptying
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db

TABLES = (AuditEntry, AuditedRow)
REFUSED = {
    "save": lambda row: row.save(),
    "save some fields": lambda row: type(row)(pk=row.pk).save(update_fields=["id"]),
    "save as a change": lambda row: type(row)(pk=row.pk).save(force_update=True),
    "delete": lambda row: row.delete(),
    "update": lambda row: type(row).objects.update(id=1),
    "bulk_update": lambda row: type(row).objects.bulk_update([row], ["id"]),
    "update_or_create": lambda row: type(row).objects.update_or_create(pk=row.pk),
    "bulk_create over": lambda row: type(row).objects.bulk_create([row], update_conflicts=True),
    "delete all": lambda row: type(row).objects.all().delete(),
    "delete without a look": lambda row: type(row).objects.all()._raw_delete("default"),
    "asynchronously": lambda row: asyncio.run(type(row).objects.aupdate(id=1)),
}


def an_entry() -> AuditEntry:
    record(action="run.retry", by="lee", source=AuditSource.ADMIN, rows=[world.store()])
    return AuditEntry.objects.get()


@pytest.mark.parametrize("way", REFUSED)
@pytest.mark.parametrize("model", TABLES)
def test_the_model_refuses_every_way_to_change_or_delete(model, way) -> None:
    an_entry()
    before = list(model.objects.values_list())

    with pytest.raises(AuditLogIsAppendOnly, match="are never"):
        REFUSED[way](model.objects.get())

    assert list(model.objects.values_list()) == before


@pytest.mark.parametrize("model", TABLES)
def test_a_row_with_the_key_of_another_is_not_written_over_it(model) -> None:
    an_entry()
    row = model.objects.get()

    with pytest.raises(DatabaseError), transaction.atomic():
        model(pk=row.pk, **({"entry": row.entry} if model is AuditedRow else {})).save()

    assert model.objects.get() == row


PAST_THE_MODEL = {
    "UPDATE {table} SET id = id + 1": "changed",
    "DELETE FROM {table}": "deleted",
}
OF_A_DATABASE = {
    "postgresql": {"TRUNCATE {table}": "deleted", "TRUNCATE {table} CASCADE": "deleted"},
    "sqlite": {"INSERT OR REPLACE INTO {table} SELECT * FROM {table}": "replaced"},
}


@pytest.mark.parametrize("statement", [*PAST_THE_MODEL, *OF_A_DATABASE[connection.vendor]])
@pytest.mark.parametrize("model", TABLES)
def test_the_database_refuses_with_a_sentence_what_goes_past_the_model(model, statement) -> None:
    an_entry()
    before = list(model.objects.values_list())
    word = {**PAST_THE_MODEL, **OF_A_DATABASE[connection.vendor]}[statement]

    with (
        pytest.raises(DatabaseError, match=f"The audit log is append-only: rows of .* {word}"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table=model._meta.db_table))

    assert list(model.objects.values_list()) == before


@pytest.mark.django_db(transaction=True)
def test_djangos_flush_empties_the_log_and_leaves_it_as_strict_as_before() -> None:
    an_entry()

    call_command("flush", interactive=False, verbosity=0)

    assert not AuditEntry.objects.exists()
    assert not AuditedRow.objects.exists()
    an_entry()
    for statement in (*PAST_THE_MODEL, *OF_A_DATABASE[connection.vendor]):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(table=AuditEntry._meta.db_table))


@pytest.mark.django_db(transaction=True)
def test_a_flush_that_fails_leaves_the_log_and_its_refusals(monkeypatch) -> None:
    an_entry()
    stock = flush.sql_flush
    monkeypatch.setattr(flush, "sql_flush", lambda *a, **o: [*stock(*a, **o), "no statement"])

    with pytest.raises(CommandError, match="couldn't be flushed"):
        call_command("flush", interactive=False)

    assert AuditEntry.objects.get().actor == "lee"
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("DELETE FROM neural_auditentry")


def test_tests_that_commit_leave_no_entry_behind_and_the_log_as_strict_as_before() -> None:
    an_entry()

    emptying.empty("default")

    assert not AuditEntry.objects.exists()
    assert not AuditedRow.objects.exists()
    an_entry()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE neural_auditentry SET actor = 'nobody'")


FIRST = import_module("neural.migrations.0001_first")


def is_refused(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    except DatabaseError:
        return True
    return False


@pytest.mark.skipif(connection.vendor != "postgresql", reason="they go with the tables on SQLite")
def test_the_migration_takes_its_triggers_back_and_makes_them_again() -> None:
    an_entry()
    strict = {**PAST_THE_MODEL, **OF_A_DATABASE[connection.vendor]}
    every = [each.format(table="neural_auditentry") for each in strict]
    with connection.cursor() as cursor:
        editor = SimpleNamespace(connection=connection, execute=cursor.execute)
        FIRST.drop_function(None, editor)
        assert not is_refused("UPDATE neural_auditentry SET actor = 'nobody'")
        FIRST.create_triggers(None, editor)

    assert all(map(is_refused, every))
    assert AuditEntry.objects.get().actor == "nobody"
