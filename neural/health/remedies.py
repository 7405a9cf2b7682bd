"""Remedies for a database that accepts no write or does not answer, by its error.

There is one class for each dialect.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from django.db import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health import storage
from neural.ledger.dialects import PostgreSQL, SQLite, ledger_connection, ledger_dialect
from neural.ledger.dialects.base import Dialect

READ_ONLY = "25006"


class Remedies(ABC):
    """Remedies for one kind of database."""

    @abstractmethod
    def of_writing(self, error: DatabaseError) -> str:
        """What to do about a database that answers but accepts no write."""

    @abstractmethod
    def of_reaching(self, error: DatabaseError) -> str:
        """What to do about a database that does not answer."""


def remedies() -> Remedies:
    """The remedies for the database that holds the ledger."""
    return _BY_DIALECT[type(ledger_dialect())]


def _general() -> str:
    return _(
        "look for a long transaction, a full disk (type: df -h), a read-only replica or a "
        "file of another user's"
    )


_OF_POSTGRESQL: Mapping[str, str | Promise] = {
    "53100": gettext_lazy(
        "make room on the disk of the database: df -h on its host; then PostgreSQL goes on by "
        "itself"
    ),
    "42501": gettext_lazy(
        "give the tables to the user of DATABASE_URL, in psql: REASSIGN OWNED BY OTHER TO USER"
    ),
}
_TOO_MANY = gettext_lazy(
    "see who is connected, in psql: SELECT * FROM pg_stat_activity; or let in more: "
    "max_connections in postgresql.conf"
)
# PostgreSQL's errors on connecting have no code, only words.
_TO_WHO_CONNECTS: Mapping[str, str | Promise] = {
    "password authentication failed": gettext_lazy(
        "correct user and password in DATABASE_URL, then restart web, workers and beat"
    ),
    "does not exist": gettext_lazy("make it: createdb, createuser; or correct DATABASE_URL"),
    "pg_hba.conf": gettext_lazy("let this host and user in: pg_hba.conf, then reload PostgreSQL"),
    "too many clients": _TOO_MANY,
    "remaining connection slots": _TOO_MANY,
    "the database system is": gettext_lazy(
        "wait: PostgreSQL runs and is starting, stopping or recovering; its log says how far it is"
    ),
}


class _OfPostgreSQL(Remedies):
    def of_writing(self, error: DatabaseError) -> str:
        state = getattr(error.__cause__, "sqlstate", None)
        if state == READ_ONLY:
            return _of_read_only_postgresql()
        return str(_OF_POSTGRESQL.get(state or "") or _general())

    def of_reaching(self, error: DatabaseError) -> str:
        known = (cure for words, cure in _TO_WHO_CONNECTS.items() if words in str(error))
        start = _("start it: systemctl start postgresql; if it runs, correct DATABASE_URL")
        return str(next(known, start))


def _of_read_only_postgresql() -> str:
    with ledger_connection().cursor() as cursor:
        cursor.execute("SELECT pg_is_in_recovery()")
        (is_standby,) = cursor.fetchone()
    if is_standby:
        return _(
            "this PostgreSQL is a standby: let DATABASE_URL name the primary, or make this one the "
            "primary: SELECT pg_promote()"
        )
    return _(
        "PostgreSQL is set to read only: in psql, SHOW default_transaction_read_only; take it back "
        "with ALTER DATABASE or ALTER ROLE … RESET default_transaction_read_only, or in "
        "postgresql.conf"
    )


class _OfSQLite(Remedies):
    def of_writing(self, error: DatabaseError) -> str:
        return _of_file(str(error)) or _general()

    def of_reaching(self, error: DatabaseError) -> str:
        return _of_file(str(error)) or _("correct DATABASE_URL: its file is no database of ours")


def _of_file(error: str) -> str:
    """What to do about the database's file; empty if the file is fine."""
    file = ledger_dialect().file(ledger_connection())
    assert file is not None  # for the type checker: SQLite has one
    if not file.parent.exists():
        about = {"directory": file.parent}
        return _("make the directory %(directory)s, or correct DATABASE_URL") % about
    if "is full" in error:
        return storage.cure()
    if "readonly" in error or not _may_be_written(file):
        user = {"file": file, "directory": file.parent, "user": os.geteuid()}
        return (
            _(
                "let user %(user)d write %(file)s and its directory: chown and chmod u+w; or a "
                "disk that is mounted read-only: mount -o remount,rw (findmnt -T %(directory)s)"
            )
            % user
        )
    if storage.free_bytes(file.parent) < storage.FULL:
        return storage.cure()
    if any(words in error for words in ("malformed", "not a database", "disk I/O error")):
        told = _(
            "%(file)s is damaged, or its disk is: see the kernel's log; put back a backup of it"
        )
        return told % {"file": file}
    return ""


def _may_be_written(file: Path) -> bool:
    """Whether file and directory may be written: SQLite writes two more files beside it."""
    return all(os.access(each, os.W_OK) for each in (file.parent, file) if each.exists())


_BY_DIALECT: Mapping[type[Dialect], Remedies] = {
    PostgreSQL: _OfPostgreSQL(),
    SQLite: _OfSQLite(),
}
