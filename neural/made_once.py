"""Rows that come with an app are made once, after the migrations that bring its tables.

Each migration is committed by itself, and the rows are made after the last one. So what is to be
made is noted before the first one: after a `migrate` that was interrupted, the next one makes it.
The notes are among the applied migrations, the one table that is there before all others.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.db import connections, transaction
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

NOTED_AS = "neural: to be made"
"""In place of the label of an app."""


def note_if_new(name: str, *, app_labels: tuple[str, ...], using: str) -> None:
    """Before a migration: note that this is to be made, if one of these apps has no table yet."""
    if any(_has_no_table(label, using) for label in app_labels):
        recorder = MigrationRecorder(connections[using])
        recorder.ensure_schema()
        if not _is_noted(name, using):
            recorder.record_applied(NOTED_AS, name)


def is_due(name: str, *, app_labels: tuple[str, ...], using: str) -> bool:
    """After a migration: whether this is still to be made, and these apps are wholly migrated."""
    return _is_noted(name, using) and _are_migrated(app_labels, using)


@contextmanager
def making(name: str, *, using: str) -> Iterator[None]:
    """Inside the block it is made; the note of it goes in the same transaction."""
    with transaction.atomic(using=using):
        yield
        if _is_noted(name, using):
            MigrationRecorder(connections[using]).record_unapplied(NOTED_AS, name)


def _is_noted(name: str, using: str) -> bool:
    recorder = MigrationRecorder(connections[using])
    return recorder.has_table() and recorder.migration_qs.filter(app=NOTED_AS, name=name).exists()


def _are_migrated(app_labels: tuple[str, ...], using: str) -> bool:
    loader = MigrationLoader(connections[using])
    last = [each for label in app_labels for each in loader.graph.leaf_nodes(label)]
    return all(each in loader.applied_migrations for each in last)


def _has_no_table(label: str, using: str) -> bool:
    there = set(connections[using].introspection.table_names())
    return not there.intersection(
        model._meta.db_table for model in apps.get_app_config(label).get_models()
    )
