"""Probes of the database: does it answer, is it migrated, does its clock agree, does it accept a
row, and is there room on the disks for its file and for files of apps?

What to do about an error of the database (:func:`remedies`) depends on its dialect: there is one
class for each.
"""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from django.db import DatabaseError, transaction
from django.db.migrations.executor import MigrationExecutor
from django.template.defaultfilters import filesizeformat
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.health.findings import Finding, listed, ok, problem, warning
from neural.health.situation import Situation
from neural.kit.registry import Registry
from neural.ledger import dialects
from neural.ledger.clock import database_clock
from neural.ledger.dialects import PostgreSQL, SQLite, ledger_connection, ledger_dialect
from neural.ledger.dialects.base import Dialect
from neural.models import WorkerProcess

PATIENCE_SECONDS = 1
CLOCK_WARNING_SECONDS = 2
CLOCK_PROBLEM_SECONDS = 60
READ_ONLY = "25006"
SCARCE = 1024**3
FULL = 64 * 1024**2
"""Free bytes: with less than this, what is written may not fit any more."""
Place = Callable[[], Path | None]
"""A directory on this machine whose files grow; None if there is none."""
PLACES: Registry[Place] = Registry("place of files")


@contextmanager
def impatient_database(seconds: float = PATIENCE_SECONDS) -> Iterator[None]:
    """In this block, statements give up after so many seconds; then the connection is as before."""
    connection, dialect = dialects.ledger_connection(), dialects.ledger_dialect()
    with connection.cursor() as cursor:
        before = dialect.patience(cursor)
        dialect.set_patience(cursor, str(int(seconds * 1000)))
    try:
        yield
    finally:
        if connection.connection is not None:
            with connection.cursor() as cursor:
                dialect.set_patience(cursor, before)


def database(situation: Situation) -> Finding:
    """The database answers."""
    connection = dialects.ledger_connection()
    started = time.perf_counter()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            mode = dialects.ledger_dialect().journal_mode(cursor)
    except DatabaseError as error:
        return problem(
            _("%(database)s does not answer: %(error)s")
            % {"database": connection.display_name, "error": first_line(error)},
            remedies().of_reaching(error),
        )
    situation.database_answers = True
    milliseconds = (time.perf_counter() - started) * 1000
    about = {"database": connection.display_name, "milliseconds": f"{milliseconds:.0f}"}
    answers = _("%(database)s answers in %(milliseconds)s ms") % about
    if not mode:
        return ok(answers)
    if mode == "wal":
        return ok(_("%(answers)s, in WAL mode") % {"answers": answers})
    return problem(
        _("%(answers)s, but its journal mode is %(mode)s: readers and writers stop one another")
        % {"answers": answers, "mode": repr(mode)},
        _("let the settings' init_command say PRAGMA journal_mode=WAL, on a local disk"),
    )


def migrations(situation: Situation) -> Finding:
    """All migrations of this code are applied."""
    executor = MigrationExecutor(dialects.ledger_connection())
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return ok(_("all are applied"))
    names = listed(f"{each.app_label}.{each.name}" for each, backwards in plan[:3])
    if len(plan) > 3:
        about = {"names": names, "count": len(plan) - 3}
        names = _("%(names)s and %(count)d more") % about
    text = _("not applied: %(names)s") % {"names": names}
    return problem(text, _("type: manage.py migrate"))


def clock(situation: Situation) -> Finding:
    """The clocks of host and database agree."""
    before = timezone.now()
    theirs = database_clock()
    middle = before + (timezone.now() - before) / 2
    seconds = (middle - theirs).total_seconds()
    if abs(seconds) < CLOCK_WARNING_SECONDS:
        return ok(_("host and database agree"))
    judge = problem if abs(seconds) >= CLOCK_PROBLEM_SECONDS else warning
    ahead = _("this host is %(seconds).0f s ahead of the database")
    behind = _("this host is %(seconds).0f s behind the database")
    text = (ahead if seconds > 0 else behind) % {"seconds": abs(seconds)}
    return judge(text, _("let both keep time by NTP: timedatectl set-ntp true"))


def writing(situation: Situation) -> Finding:
    """A row can be written and deleted again, both committed.

    A row that is rolled back never reaches the disk, so a full disk would accept it.
    """
    started = time.perf_counter()
    try:
        with transaction.atomic(), dialects.ledger_connection().cursor() as cursor:
            row = WorkerProcess.objects.create(name="doctor", host="", process_id=0)
            cursor.execute("DELETE FROM neural_workerprocess WHERE id = %s", [row.pk])
    except DatabaseError as error:
        return problem(
            _("the database takes no write within %(seconds)d s: %(error)s")
            % {"seconds": PATIENCE_SECONDS, "error": first_line(error)},
            remedies().of_writing(error),
        )
    took = {"milliseconds": f"{(time.perf_counter() - started) * 1000:.0f}"}
    return ok(_("a row is written in %(milliseconds)s ms") % took)


# Remedies


def first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0]


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
        return cure_of_a_full_disk()
    if "readonly" in error or not _may_be_written(file):
        user = {"file": file, "directory": file.parent, "user": os.geteuid()}
        return (
            _(
                "let user %(user)d write %(file)s and its directory: chown and chmod u+w; or a "
                "disk that is mounted read-only: mount -o remount,rw (findmnt -T %(directory)s)"
            )
            % user
        )
    if free_of(file.parent)[0] < FULL:
        return cure_of_a_full_disk()
    if any(words in error for words in ("malformed", "not a database", "disk I/O error")):
        text = _(
            "%(file)s is damaged, or its disk is: see the kernel's log; put back a backup of it"
        )
        return text % {"file": file}
    return ""


def _may_be_written(file: Path) -> bool:
    """Whether file and directory may be written: SQLite writes two more files beside it."""
    return all(os.access(each, os.W_OK) for each in (file.parent, file) if each.exists())


_BY_DIALECT: Mapping[type[Dialect], Remedies] = {
    PostgreSQL: _OfPostgreSQL(),
    SQLite: _OfSQLite(),
}


# Disks


def register_place(name: str, place: Place) -> None:
    """Have `doctor` check the room in this directory, too."""
    PLACES.add(name, place)


def disk(situation: Situation) -> Finding:
    """Every file of ours has room to grow. The disks of other machines are not checked."""
    free = {place: free_of(place)[0] for place in dict.fromkeys(places())}
    if not free:
        return ok(_("nothing of ours that grows is on a disk of this machine"))
    scarce = {place: left for place, left in free.items() if left < SCARCE}
    text = listed(f"{place}: {filesizeformat(left)}" for place, left in (scarce or free).items())
    found = _("free: %(places)s") % {"places": text}
    if not scarce:
        return ok(found)
    judge = problem if min(scarce.values()) < FULL else warning
    return judge(found, cure_of_a_full_disk())


def cure_of_a_full_disk() -> str:
    """What to do about a full disk."""
    return _(
        "make room: df -h shows which disk it is, du -xh --max-depth=2 PLACE what fills it; what "
        "was refused meanwhile is done again"
    )


def places() -> Iterator[Path]:
    """Directories on this machine that grow: SQLite's, and those of apps."""
    if file := dialects.ledger_dialect().file(dialects.ledger_connection()):
        yield file.parent
    for place in PLACES:
        if directory := place():
            yield directory


def free_of(place: Path) -> tuple[int, int]:
    """Bytes left on a directory's disk, and all bytes that others than root may use there. The
    directory need not exist yet."""
    while not place.exists():
        place = place.parent
    about = os.statvfs(place)
    usable = about.f_blocks - about.f_bfree + about.f_bavail
    return about.f_bavail * about.f_frsize, usable * about.f_frsize
