"""`manage.py copy_from_sqlite`: moves a whole deployment from SQLite to the present database."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import CommandError, CommandParser
from django.core.management.color import no_style
from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model

from neural.management.acting import add_who, record_command
from neural.management.teaching import TeachingCommand
from neural.models import NeuralEvent, TaskRun

ACTION = "database.copy"
SOURCE = "copied_from"
ROWS = 500
"""How many rows one statement inserts."""


class Command(TeachingCommand):
    """Move a whole deployment from SQLite to PostgreSQL."""

    help = """
        Copies every row of every installed app from a file of SQLite into the present database
        (DATABASE_URL), which has just been migrated and was never used. Every key and every time
        stays as it is, to the microsecond, and new rows get the keys that follow. Stop web, workers
        and beat before; who writes to the file meanwhile waits. All is copied or nothing.
    """
    after_help = """
        examples:
          manage.py migrate
          manage.py copy_from_sqlite var/zhilian.sqlite3
          manage.py copy_from_sqlite var/zhilian.sqlite3 --by anna --reason "a second machine"

        exit codes:
          0  done
          1  nothing was copied: a database is not of this version, or the present one is in use
          2  wrong usage
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """Adds the file, and who asks and why."""
        parser.add_argument("file", type=Path, help="of SQLite")
        add_who(parser)

    def handle(self, *, file: Path, **options: Any) -> None:
        """Copy, and tell how many rows."""
        if not file.is_file():
            raise CommandError(f"there is no file {file}", returncode=2)
        with _opened(file) as source, transaction.atomic(using=source), transaction.atomic():
            _must_fit(source)
            models = [
                model
                for model in apps.get_models(include_auto_created=True)
                if model._meta.managed and not model._meta.proxy
            ]
            for model in models:
                if model._base_manager.exists():  # what `migrate` makes
                    model._base_manager.all()._raw_delete(DEFAULT_DB_ALIAS)
            copied = sum(_copy(model, source) for model in models)
            _count_on(models)
            record_command(options, action=ACTION, count=copied)
        self.stdout.write(f"{copied:8,}  rows of {len(models)} tables were copied.")


@contextmanager
def _opened(file: Path) -> Iterator[str]:
    """The alias under which the file is another database."""
    settings = {
        **connections[DEFAULT_DB_ALIAS].settings_dict,
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
    }
    connections[SOURCE] = DatabaseWrapper(settings, SOURCE)
    try:
        yield SOURCE
    finally:
        connections[SOURCE].close()
        del connections[SOURCE]


def _must_fit(source: str) -> None:
    for alias, name in ((source, "the file"), (DEFAULT_DB_ALIAS, "the present database")):
        executor = MigrationExecutor(connections[alias])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError(f"{name} lacks migrations: manage.py migrate", returncode=1)
    used = [each._meta.label for each in (get_user_model(), NeuralEvent, TaskRun) if _has(each)]
    if used:
        raise CommandError(f"the present database is in use: {', '.join(used)}", returncode=1)


def _has(model: type[Model]) -> bool:
    return model._base_manager.exists()


def _copy(model: type[Model], source: str) -> int:
    """Copy the rows as they are: no signal, no default, no time of now."""
    fields = [each for each in model._meta.local_concrete_fields if not each.generated]
    rows = model._base_manager.using(source).order_by("pk").iterator(chunk_size=ROWS)
    target: Any = model._base_manager.all()
    copied = 0
    while some := list(islice(rows, ROWS)):
        target._insert(some, fields, raw=True, using=DEFAULT_DB_ALIAS)
        copied += len(some)
    return copied


def _count_on(models: list[type[Model]]) -> None:
    """Let the next key of each table follow its last."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
