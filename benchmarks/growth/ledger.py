"""The ledger in one database: prepared, emptied of what was measured, weighed, and its server's
processor time, which other work on the machine affects less than elapsed time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
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


MEGABYTE = 1_000_000


def weights(runs: int) -> dict[str, Any]:
    """Megabytes of each table and index, and bytes for each run in the ledger."""
    tables = {table: _table(table, runs) for table in TABLES}
    return {**tables, "bytes_a_run": round(sum(_total(table) for table in TABLES) / runs)}


def index_names() -> dict[str, str]:
    """The indexes of the tables that grow, each with its table."""
    found = rows(
        "SELECT indexname, tablename FROM pg_indexes WHERE tablename = ANY(%s)", [list(TABLES)]
    )
    return dict(found)


def _table(table: str, runs: int) -> dict[str, Any]:
    indexes = [name for name, owner in sorted(index_names().items()) if owner == table]
    ((heap, toast),) = rows(
        "SELECT pg_relation_size(%s::regclass), pg_table_size(%s::regclass)", [table, table]
    )
    return {
        "table": _weight(heap, runs),
        "with_toast": _weight(toast, runs),
        "indexes": {name: _weight(_size(name), runs) for name in indexes},
    }


def _weight(size: int, runs: int) -> dict[str, float]:
    return {"megabytes": round(size / MEGABYTE, 1), "bytes_a_run": round(size / runs, 1)}


def _size(name: str) -> int:
    return int(rows("SELECT pg_relation_size(%s::regclass)", [name])[0][0])


def _total(table: str) -> int:
    return int(rows("SELECT pg_total_relation_size(%s::regclass)", [table])[0][0])


def server_seconds() -> float:
    """Processor time so far of the server process behind this connection.

    If the server is another machine, or its system does not report it, this is elapsed time.
    """
    ((process_id,),) = rows("SELECT pg_backend_pid()")
    process = Path(f"/proc/{process_id}")
    try:
        is_ours = (process / "comm").read_text().startswith("postgres")
        nanoseconds = (process / "schedstat").read_text().split()[0]
    except OSError:
        return time.perf_counter()
    return int(nanoseconds) / 1e9 if is_ours else time.perf_counter()


def both_seconds() -> float:
    """Processor time so far of the server's process and of this one, added."""
    return server_seconds() + time.process_time()
