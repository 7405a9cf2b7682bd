"""Creates, copies and drops the databases of the measurement on one server, without Django."""

from collections.abc import Collection
from typing import Any

import psycopg

GROWN = "neural_growth"
EMPTY = "neural_growth_empty"
COPY = "neural_growth_copy"
"""A copy of the grown ledger, for measuring: measurements would change how its indexes split."""

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
    """A PostgreSQL server on which databases may be created."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, name: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{name}"

    def create(self, name: str, *, template: str = "template1") -> None:
        """Create a database anew; nobody may be connected to the template."""
        self.drop(name)
        # Copy files rather than use the log, which would write a large database twice.
        by_files = "STRATEGY FILE_COPY" if int(self._execute(_VERSION)) >= 150000 else ""
        self._execute(f"CREATE DATABASE {name} TEMPLATE {template} {by_files}")

    def drop(self, name: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def drop_all(self, *, keep: Collection[str] = ()) -> None:
        for name in {GROWN, EMPTY, COPY} - set(keep):
            self.drop(name)

    def settings(self) -> dict[str, str]:
        """The server's settings that affect the figures."""
        return {name: self._execute(f"SHOW {name}") for name in SETTINGS}

    def _execute(self, statement: str) -> Any:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
