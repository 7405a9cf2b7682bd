"""The PostgreSQL server: reads its settings; creates databases and drops them at the end."""

from typing import Any

import psycopg

DURABILITY = ("fsync", "synchronous_commit", "wal_sync_method", "full_page_writes")
OTHERS = ("server_version", "shared_buffers", "max_wal_size", "wal_level")


class Server:
    """A server, given by the URL of a database whose user may create databases."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: list[str] = []

    def settings(self) -> dict[str, Any]:
        """The server's version, and whether a commit is on disk when it returns."""
        with psycopg.connect(self._url) as connection:
            return {
                name: connection.execute(f"SHOW {name}").fetchone()[0]  # type: ignore[index]
                for name in (*OTHERS, *DURABILITY)
            }

    def url(self, name: str) -> str:
        """The URL of another database on the same server."""
        base, _, options = self._url.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")

    def create(self, name: str, *, template: str = "template0") -> str:
        """Create a database as a copy of ``template`` and return its URL.

        A checkpoint follows, so that no measurement begins with pages left to be written.
        """
        self.drop(name)
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
            connection.execute("CHECKPOINT")
        self._made.append(name)
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database if it exists."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def drop_all(self) -> None:
        """Drop all databases that were created here."""
        for name in self._made:
            self.drop(name)


def is_durable(settings: dict[str, Any]) -> bool:
    """Whether a commit survives a power cut."""
    return settings["fsync"] == "on" and settings["synchronous_commit"] == "on"
