"""The ledger of one database: chosen, prepared, cleared of what was measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

TABLES = ("neural_neuralevent", "neural_taskrun", "neural_tasktry")
"""Those that grow with every event."""
READ_MODELS = ("neural_salesreport", "neural_dailydemand")
"""What the handlers of the measured events write."""
STORES, WORKERS = 200, 4
MEASURED_FROM = 1_000_000_000
"""Keys of measured rows begin here, beyond every row that was grown."""


@contextmanager
def ledger(name: str) -> Iterator[None]:
    """In this block Django's connection is one to the database of this name."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def prepare() -> None:
    """Make the tables, the stores and the workers, and give measured rows keys of their own."""
    call_command("migrate", verbosity=0)
    execute(
        "INSERT INTO neural_store (code, time_zone) SELECT 'S' || lpad(place::text, 3, '0'), "
        "'Asia/Shanghai' FROM generate_series(0, %s) AS place",
        [STORES - 1],
    )
    execute(
        "INSERT INTO neural_workerprocess (name, host, process_id, queues, concurrency, stopped_at)"
        " SELECT 'worker-' || place, 'host', 100 + place, '[]', 2, now()"
        " FROM generate_series(1, %s) AS place",
        [WORKERS],
    )
    for table in TABLES:
        execute(f"ALTER TABLE {table} ALTER COLUMN id RESTART WITH {MEASURED_FROM}")


def empty() -> None:
    """Delete what was measured at the size before: an empty ledger is empty."""
    execute(f"TRUNCATE {', '.join((*TABLES, *READ_MODELS))} CASCADE")


def vacuum(*tables: str) -> None:
    """What autovacuum would do, at a time of our own choosing."""
    execute(f"VACUUM (ANALYZE, INDEX_CLEANUP ON) {', '.join(tables or TABLES)}")


def analyze() -> None:
    execute(f"ANALYZE {', '.join(TABLES)}")


def execute(statement: str, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)


def rows(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()
