"""The noted number of writes, kept beside each LanceDB table in a table of one row.

A file would be simpler. But at ``s3://``, a process that raises the number in a file could
overwrite a greater one that another process has just noted.
"""

from typing import Any

from neural.retrieval.stores.lance.compaction import optimize
from neural.retrieval.stores.lance.connection import after_conflicts
from neural.retrieval.stores.lance.rows import PRIMARY, arrow

_BESIDE = ".writes"
_KEY = "writes"
_COMPACTED_EVERY = 64


def beside(table: str) -> str:
    """The name of the table that keeps the number of this table."""
    return table + _BESIDE


def is_beside(name: str) -> bool:
    """Whether this is the name of a table that keeps a number."""
    return name.endswith(_BESIDE)


def number_in(table: Any) -> int | None:
    """The noted number; None if there is none."""
    numbers = table.search().select(["number"]).limit(1).to_arrow()["number"].to_pylist()
    return int(numbers[0]) if numbers else None


def make(database: Any, table: str) -> None:
    """Make the table of the number, unless it exists."""
    name = beside(table)
    after_conflicts(lambda: database.create_table(name, schema=_schema(), exist_ok=True))


def note(table: Any, number: int) -> None:
    """Raise the noted number. On a conflict with another writer, the write is retried."""
    row = arrow().table({"key": [_KEY], "number": [number]}, schema=_schema())
    after_conflicts(lambda: _raise(table, row))
    if number % _COMPACTED_EVERY == 0:
        optimize(table)


def _raise(table: Any, row: Any) -> None:
    merge = table.merge_insert("key").when_not_matched_insert_all()
    merge.when_matched_update_all(where="source.number > target.number").execute(row)


def _schema() -> Any:
    pa = arrow()
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False, metadata=PRIMARY),
            pa.field("number", pa.int64(), nullable=False),
        ]
    )
