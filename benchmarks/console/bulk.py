"""Fills large tables without their indexes and constraints, which are made again at the end."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from benchmarks.growth.ledger import execute, rows

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
