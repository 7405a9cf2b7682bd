"""The databases of the measurement: made, copied and dropped on one server. No Django."""

from collections.abc import Collection
from typing import Any

import psycopg

GROWN = "neural_growth"
EMPTY = "neural_growth_empty"
COPY = "neural_growth_copy"
"""Of the grown one, to measure on: what is measured would make its indexes split otherwise."""

SETTINGS = (
    "server_version",
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "autovacuum",
)
_VERSION = "SHOW server_version_num"


class Server:
    """A PostgreSQL server on which databases may be made."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, name: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{name}"

    def create(self, name: str, *, template: str = "template1") -> None:
        """Make a database anew; nobody may be connected to the template."""
        self.drop(name)
        # By files, and not through the log, which would write a large one twice.
        by_files = "STRATEGY FILE_COPY" if int(self._execute(_VERSION)) >= 150000 else ""
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} {by_files}")

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def drop_all(self, *, keep: Collection[str] = ()) -> None:
        for name in {GROWN, EMPTY, COPY} - set(keep):
            self.drop(name)

    def settings(self) -> dict[str, str]:
        """What of the server's settings bears on the figures."""
        return {name: self._execute(f"SHOW {name}") for name in SETTINGS}

    def _execute(self, statement: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
