"""Probes of the database: does it answer, is it migrated, and does its clock agree?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from django.utils.translation import gettext as _

from neural.health.findings import Finding, listed, ok, problem, warning
from neural.health.remedies import remedies
from neural.health.situation import Situation
from neural.health.writing import PATIENCE_SECONDS, first_line
from neural.ledger import dialects
from neural.ledger.clock import database_clock

CLOCK_WARNING_SECONDS = 2
CLOCK_PROBLEM_SECONDS = 60


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
            "database",
            _("%(database)s does not answer: %(error)s")
            % {"database": connection.display_name, "error": first_line(error)},
            remedies().of_reaching(error),
        )
    milliseconds = (time.perf_counter() - started) * 1000
    about = {"database": connection.display_name, "milliseconds": f"{milliseconds:.0f}"}
    return _judged_by_mode(mode, _("%(database)s answers in %(milliseconds)s ms") % about)


def _judged_by_mode(mode: str, answers: str) -> Finding:
    if not mode:
        return ok("database", answers)
    if mode == "wal":
        return ok("database", _("%(answers)s, in WAL mode") % {"answers": answers})
    return problem(
        "database",
        _("%(answers)s, but its journal mode is %(mode)s: readers and writers stop one another")
        % {"answers": answers, "mode": repr(mode)},
        _("let the settings' init_command say PRAGMA journal_mode=WAL, on a local disk"),
    )


def migrations(situation: Situation) -> Finding:
    """All migrations of this code are applied."""
    executor = MigrationExecutor(dialects.ledger_connection())
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if not plan:
        return ok("migrations", _("all are applied"))
    names = listed(f"{each.app_label}.{each.name}" for each, backwards in plan[:3])
    if len(plan) > 3:
        about = {"names": names, "count": len(plan) - 3}
        names = _("%(names)s and %(count)d more") % about
    told = _("not applied: %(names)s") % {"names": names}
    return problem("migrations", told, _("type: manage.py migrate"))


def clock(situation: Situation) -> Finding:
    """The clocks of host and database agree."""
    before = timezone.now()
    theirs = database_clock()
    middle = before + (timezone.now() - before) / 2
    seconds = (middle - theirs).total_seconds()
    if abs(seconds) < CLOCK_WARNING_SECONDS:
        return ok("clock", _("host and database agree"))
    judge = problem if abs(seconds) >= CLOCK_PROBLEM_SECONDS else warning
    ahead = _("this host is %(seconds).0f s ahead of the database")
    behind = _("this host is %(seconds).0f s behind the database")
    told = (ahead if seconds > 0 else behind) % {"seconds": abs(seconds)}
    return judge("clock", told, _("let both keep time by NTP: timedatectl set-ntp true"))
