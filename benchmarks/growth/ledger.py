"""The ledger in one database: prepared, weighed, and its server's processor time, which other work
on the machine affects less than elapsed time."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from django.core.management import call_command
from django.db import connection

TABLES = ("neural_neuralevent", "neural_taskrun", "neural_tasktry")
"""The tables that grow with every event."""
STORES, WORKERS = 300, 4
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
        "INSERT INTO neural_store (code, name, time_zone, confirmed) "
        "SELECT 'S' || lpad(place::text, 3, '0'), 'Store ' || place, 'Asia/Shanghai', true "
        "FROM generate_series(0, %s) AS place",
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


_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid)
    FROM pg_constraint
    WHERE contype IN ('p', 'u', 'c', 'f')
        AND (conrelid = ANY(%(tables)s::regclass[])
            OR contype = 'f' AND confrelid = ANY(%(tables)s::regclass[]))
    ORDER BY contype = 'f' DESC"""
"""Foreign keys come first: other constraints are dropped after those that rest on them."""
_INDEXES = """
    SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid)
    FROM pg_index WHERE indrelid = ANY(%(tables)s::regclass[])"""


@contextmanager
def without_indexes(tables: Sequence[str]) -> Iterator[None]:
    """Inside this block these tables have no index and no constraint."""
    constraints = rows(_CONSTRAINTS, {"tables": list(tables)})
    for table, name, _kind, _definition in constraints:
        execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    indexes = rows(_INDEXES, {"tables": list(tables)})
    for name, _definition in indexes:
        execute(f"DROP INDEX {name}")
    yield
    execute("SET maintenance_work_mem = '512MB'")
    for _name, definition in indexes:
        execute(definition)
    for table, name, _kind, definition in reversed(constraints):
        execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


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
    """Megabytes of the database and of its large tables, and the bytes of a row and its entries."""
    return {
        "runs": runs,
        "megabytes": round(_number("SELECT pg_database_size(current_database())") / MEGABYTE),
        "tables": {name: _table(name) for (name,) in rows(_LARGEST, [MEGABYTE])},
    }


_LARGEST = """
    SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE 'neural%%'
        AND pg_total_relation_size(oid) > %s ORDER BY pg_total_relation_size(oid) DESC"""


def index_names(*tables: str) -> dict[str, str]:
    """The indexes of these tables (those that grow), each with its table."""
    found = rows(
        "SELECT indexname, tablename FROM pg_indexes WHERE tablename = ANY(%s) ORDER BY 1",
        [list(tables or TABLES)],
    )
    return dict(found)


def _table(table: str) -> dict[str, Any]:
    count = _number(f"SELECT count(*) FROM {table}")
    indexes = {name: _weight(_size(name), count) for name in index_names(table)}
    return {"rows": count, **_weight(_size(table, "table"), count), "indexes": indexes}


def _weight(size: int, count: int) -> dict[str, float]:
    return {"megabytes": round(size / MEGABYTE, 1), "bytes_a_row": round(size / max(count, 1), 1)}


def _size(name: str, what: str = "relation") -> int:
    return _number(f"SELECT pg_{what}_size('{name}'::regclass)")


def _number(statement: str) -> int:
    return int(rows(statement)[0][0])


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


class Figure(NamedTuple):
    """Milliseconds by the clock, and of the processors: the server's process and this one."""

    clock: float
    processor: float


def timed(work: Callable[[], object], *, units: int = 1) -> Figure:
    """What ``work`` takes for each of its units."""
    processor, clock = both_seconds(), time.perf_counter()
    work()
    clock = time.perf_counter() - clock
    return Figure(1000 * clock / units, 1000 * (both_seconds() - processor) / units)


def middle(figures: Iterable[Figure]) -> Figure:
    """The median of each."""
    return Figure(*map(median, zip(*figures, strict=True)))
