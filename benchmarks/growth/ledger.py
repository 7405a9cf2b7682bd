"""The ledger in one database: chooses it, prepares it, and removes what was measured."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management import call_command
from django.db import connection

TABLES = ("neural_neuralevent", "neural_taskrun", "neural_tasktry")
"""The tables that grow with every event."""
READ_MODELS = ("neural_salesreport", "neural_dailydemand")
"""The tables that the measured events' handlers write."""
STORES, WORKERS = 200, 4
MEASURED_FROM = 1_000_000_000
"""Keys of measured rows begin here, beyond those of every generated row."""


@contextmanager
def ledger(name: str) -> Iterator[None]:
    """Inside this block Django's connection uses the database of this name."""
    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = before


def prepare() -> None:
    """Create tables, stores and workers, and let the keys of measured rows begin at their start."""
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
    """Delete what earlier sizes measured, so that the empty ledger is empty."""
    execute(f"TRUNCATE {', '.join((*TABLES, *READ_MODELS))} CASCADE")


def vacuum(*tables: str) -> None:
    """Vacuum and analyze at a chosen moment, as autovacuum would at its own."""
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
