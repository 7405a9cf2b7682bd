"""What each dialect says, without a server; tests/contract/test_dialects.py asks the databases."""

import datetime as dt
import errno
import fcntl
import inspect
import os
import re
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.db import OperationalError, connection

from neural.health.database import _BY_DIALECT
from neural.kit.errors import NeuralError
from neural.ledger import dialects
from neural.ledger.dialects import DIALECTS, PostgreSQL, SQLite, dialect_of, ledger_dialect
from neural.ledger.dialects import sqlite as of_sqlite
from neural.ledger.dialects.base import Dialect
from neural.ledger.dialects.sqlite import _begin
from neural.ledger.work import working_on
from neural.queues import LOW_PRIORITY_QUEUE

ROOT = Path(__file__).parents[3]
BOTH = sorted(DIALECTS)
AT = dt.datetime(2026, 3, 2, 20, 30, 0, 5, tzinfo=dt.timezone(dt.timedelta(hours=8)))
COLUMNS = {"code": "text", "day": "date"}
SAID = {
    "clock": ("statement_timestamp()", "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now')"),
    "clock_plus": (
        "statement_timestamp() + %s * interval '1 second'",
        "strftime('%%Y-%%m-%%d %%H:%%M:%%f','now', %s)",
    ),
    "skip_locked": ("FOR UPDATE SKIP LOCKED", ""),
    "bound_moment": ("%s::timestamptz", "%s"),
    "arrays": ("jsonb_array_elements(%s::jsonb)", "json_each(%s)"),
    "pending": ("state || '' = 'pending'", "state || '' = 'pending'"),
}
ANSWERED = [
    ("seconds", (1.5,), 1.5, "+1.500 seconds"),
    ("seconds", (-1,), -1, "-1.000 seconds"),
    ("moment", (None,), None, None),
    ("moment", (AT,), "2026-03-02T12:30:00.000005+00:00", "2026-03-02 12:30:00.000005"),
    ("is_one_of", ("name",), "name = ANY(%s)", "name IN (SELECT value FROM json_each(%s))"),
    ("bound_list", (("a", "b"),), ["a", "b"], '["a", "b"]'),
    ("as_json", ("given.text",), "given.text::jsonb", "given.text"),
    (
        "columns_of_arrays",
        (COLUMNS,),
        "(value->>0)::text AS code, (value->>1)::date AS day",
        "json_extract(value, '$[0]') AS code, json_extract(value, '$[1]') AS day",
    ),
    (
        "records",
        (COLUMNS, "given"),
        "jsonb_to_recordset(%s::jsonb) AS given(code text, day date)",
        (
            "(SELECT json_extract(value, '$.code') AS code, json_extract(value, '$.day') AS day"
            " FROM json_each(%s)) AS given"
        ),
    ),
    (
        "table",
        (COLUMNS, [("S1", dt.date(2026, 3, 2)), ("S2", dt.date(2026, 3, 3))]),
        (
            "unnest(%s::text[], %s::date[])",
            [["S1", "S2"], [dt.date(2026, 3, 2), dt.date(2026, 3, 3)]],
        ),
        (
            (
                "(SELECT json_extract(value, '$[0]') AS code, json_extract(value, '$[1]') AS day"
                " FROM json_each(%s))"
            ),
            ['[["S1", "2026-03-02"], ["S2", "2026-03-03"]]'],
        ),
    ),
    ("elements", ("runs",), "jsonb_array_elements(runs)", "json_each(runs)"),
    (
        "join_elements",
        ("lines", "line"),
        "CROSS JOIN jsonb_array_elements(lines) AS line (value)",
        "JOIN json_each(lines) AS line",
    ),
    (
        "not_waiting_for_the_disk",
        ("1 = 1",),
        "CASE WHEN 1 = 1 THEN set_config('synchronous_commit', 'off', true) END",
        "NULL",
    ),
]


@pytest.mark.parametrize("name", BOTH)
def test_a_dialect_says_all_that_the_ledger_asks(name):
    dialect = DIALECTS[name]
    asked = {
        method
        for method, function in vars(Dialect).items()
        if inspect.isfunction(function)
        and "raise NotImplementedError" in inspect.getsource(function)
    }

    assert asked
    assert asked <= set(vars(type(dialect)))
    assert [each for each in inspect.get_annotations(Dialect) if not hasattr(dialect, each)] == []


@pytest.mark.parametrize("name", BOTH)
def test_a_dialect_adds_nothing_that_another_would_not_answer(name):
    own = {each for each in vars(type(DIALECTS[name])) if not each.startswith("__")}

    assert own <= set(vars(Dialect)) | set(inspect.get_annotations(Dialect))


@pytest.mark.parametrize("attribute", SAID)
def test_what_stands_in_statements_stays_as_it_was_measured(attribute):
    assert (getattr(PostgreSQL(), attribute), getattr(SQLite(), attribute)) == SAID[attribute]


@pytest.mark.parametrize(("method", "given", "postgresql", "sqlite"), ANSWERED)
def test_what_is_put_into_statements_stays_as_it_was_measured(method, given, postgresql, sqlite):
    assert getattr(PostgreSQL(), method)(*given) == postgresql
    assert getattr(SQLite(), method)(*given) == sqlite


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("rows", [[], [("S1", dt.date(2026, 3, 2))]])
def test_a_table_has_a_parameter_for_each_place(name, rows):
    statement, parameters = DIALECTS[name].table(COLUMNS, rows)

    assert statement.count("%s") == len(parameters)


def test_a_name_is_locked_by_the_same_key_in_every_release():
    """Workers of two releases work side by side while a new one is rolled out."""
    executed = []
    cursor = SimpleNamespace(execute=lambda *given: executed.append(given))
    names = ["neural.demand/S2/2026-03-02", "neural.demand/S1/2026-03-02"]

    PostgreSQL().lock(cursor, [*names, names[0]])

    ((statement, (keys,)),) = executed
    assert statement == "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key"
    assert -23683874009551489 in keys
    assert keys == sorted(set(keys))


# Which one


class _Foreign:
    """A connection to a database that is none of ours."""

    vendor = "oracle"


def test_of_a_database_that_is_not_known_no_more_is_said_than_holds_of_any():
    dialect = dialect_of(_Foreign())

    assert dialect.transaction_status(object()) is None
    assert not dialect.has_socket
    assert not dialect.has_lateral
    with dialect.following_indexes(_Foreign()):
        pass


def test_a_ledger_in_such_a_database_is_refused(monkeypatch):
    monkeypatch.setattr(dialects, "ledger_connection", _Foreign)

    with pytest.raises(NeuralError, match="the ledger's database is oracle, not one of"):
        ledger_dialect()


def test_doctor_has_remedies_for_the_databases_of_each_dialect():
    assert set(_BY_DIALECT) == {type(each) for each in DIALECTS.values()}


def test_nobody_else_asks_which_database_it_is():
    asks = re.compile(r"\.vend" + r"or\b|is_postgresql")
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "neural").rglob("*.py")
        if asks.search(path.read_text())
    }

    # Migrations choose between Django's schema editors, triggers and full-text indexes.
    migrations = {
        "neural/migrations/0001_first.py",
        "neural/retrieval/migrations/0002_rows_and_vocabulary.py",
    }
    # A clock that stands still takes the place of the database's.
    others = {"neural/kit/online.py", "neural/testing.py"}
    assert found == {"neural/ledger/dialects/__init__.py", *others, *migrations}


# Waiting for SQLite's lock


class Locked:
    """A connection to a SQLite that another process holds locked for some attempts to begin."""

    vendor, alias = "sqlite", "default"

    def __init__(
        self, folder: Path, *, attempts: int, said: str = "database is locked", patience=30_000
    ) -> None:
        self.attempts, self.said = attempts, said
        self.settings_dict = {"NAME": folder / "ledger.sqlite3"}
        self.connection = sqlite3.connect(":memory:")
        self.connection.execute(f"PRAGMA busy_timeout = {patience}")
        self.waited: list[int] = []
        dialects.prepare(connection=self)

    def _start_transaction_under_autocommit(self) -> None:
        self.waited.append(self.patience)
        if len(self.waited) <= self.attempts:
            raise OperationalError(self.said)

    @property
    def patience(self) -> int:
        return self.connection.execute("PRAGMA busy_timeout").fetchone()[0]


@pytest.fixture
def slept(monkeypatch):
    """The pauses, in seconds; the process does not pause."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    return pauses


@pytest.fixture
def locked(tmp_path):
    made: list[Locked] = []

    def make(folder=tmp_path, **how) -> Locked:
        made.append(Locked(folder, **how))
        return made[-1]

    yield make
    for each in made:
        each.connection.close()


def test_a_transaction_asks_for_the_lock_every_few_milliseconds_until_it_has_it(locked, slept):
    busy = locked(attempts=200)

    busy._start_transaction_under_autocommit()

    assert busy.waited == [0] * 201
    assert slept == [of_sqlite.STEP_SECONDS] * 200
    assert busy.patience == 30_000


@pytest.mark.parametrize("patience", [0, 1])
def test_a_transaction_that_may_not_wait_gives_up_as_before(locked, patience):
    busy = locked(attempts=10_000_000, patience=patience)

    with pytest.raises(OperationalError, match="locked"):
        busy._start_transaction_under_autocommit()

    assert set(busy.waited) == {0}
    assert busy.patience == patience


def test_another_error_of_a_transaction_that_begins_is_raised_at_once(locked):
    broken = locked(attempts=1, said="disk I/O error")

    with pytest.raises(OperationalError, match="disk"):
        broken._start_transaction_under_autocommit()

    assert len(broken.waited) == 1
    assert broken.patience == 30_000


WAITING = """
import fcntl, os, sys, time
fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)
print("waits", flush=True)
time.sleep(600)
"""


@pytest.fixture
def waiting_process(tmp_path):
    """Another process, which waits for the write lock with other work than history."""
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING, str(tmp_path)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


def _begin_history(connection: Locked) -> None:
    with working_on(LOW_PRIORITY_QUEUE):
        connection._start_transaction_under_autocommit()


def test_history_waits_while_another_process_waits_and_begins_when_that_is_killed(
    locked, waiting_process, monkeypatch
):
    free = locked(attempts=0)
    pauses: list[int] = []

    def pause(seconds: float) -> None:
        pauses.append(len(free.waited))
        if len(pauses) == 5:
            waiting_process.kill()
            waiting_process.wait()

    monkeypatch.setattr(time, "sleep", pause)
    _begin_history(free)

    assert pauses == [0] * 5
    assert free.waited == [0]


def test_history_is_to_end_soon_while_another_process_waits(locked, waiting_process):
    dialect, mine = DIALECTS["sqlite"], locked(attempts=0)

    assert not dialect.others_wait(mine)
    with working_on(LOW_PRIORITY_QUEUE):
        assert dialect.others_wait(mine)
        waiting_process.kill()
        waiting_process.wait()
        assert not dialect.others_wait(mine)


def test_history_does_not_stand_still_for_one_who_waits_for_ever(
    locked, waiting_process, monkeypatch
):
    monkeypatch.setattr(of_sqlite, "LONGEST_COURTESY_SECONDS", 0)
    free = locked(attempts=0)

    _asked_once(free)

    assert free.waited == [0]


def test_work_that_is_no_history_waits_for_nobody_but_the_lock(locked, waiting_process, slept):
    locked(attempts=0)._start_transaction_under_autocommit()

    assert not slept


def test_of_two_transactions_that_wait_history_goes_last(locked, slept, monkeypatch):
    """It asks again and again, and is not heard before the other one has begun."""
    history, urgent = locked(attempts=0), locked(attempts=3)
    asked: list[float] = []

    def pause(seconds: float) -> None:
        with pytest.raises(_StillWaits):
            _asked_once(history)
        asked.append(seconds)

    monkeypatch.setattr(time, "sleep", pause)
    urgent._start_transaction_under_autocommit()
    assert len(asked) == 3
    assert not history.waited

    _asked_once(history)
    assert history.waited == [0]


class _StillWaits(Exception):
    """History was not let in at its first try."""


def _asked_once(history: Locked) -> None:
    def give_up(seconds: float) -> None:
        raise _StillWaits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", give_up)
        _begin_history(history)


def test_a_process_forked_by_one_who_waits_does_not_wait_in_its_place(locked, slept):
    urgent = locked(attempts=1)
    forked: list[subprocess.Popen[bytes]] = []

    def pause(seconds: float) -> None:
        (lock,) = _locks_of(urgent)
        forked.append(subprocess.Popen(["sleep", "600"], pass_fds=[lock]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", pause)
        urgent._start_transaction_under_autocommit()
    try:
        _asked_once(locked(attempts=0))
    finally:
        forked[0].kill()
        forked[0].wait()


def _locks_of(connection: Locked) -> list[int]:
    folder = str(connection.settings_dict["NAME"].parent)
    return [
        int(each.name)
        for each in Path("/proc/self/fd").iterdir()
        if each.exists() and os.readlink(each) == folder
    ]


@pytest.mark.parametrize("name", ["file:ledger?mode=memory&cache=shared", "missing/ledger.sqlite3"])
def test_where_there_is_no_folder_all_ask_alike(locked, slept, name):
    alone = locked(folder=Path(name).parent, attempts=2)

    _begin_history(alone)

    assert alone.waited == [0] * 3


def test_where_a_folder_cannot_be_locked_all_ask_alike(locked, slept, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(of_sqlite, "fcntl", SimpleNamespace(**{**vars(fcntl), "flock": refuse}))
    alone = locked(attempts=2)

    _begin_history(alone)

    assert alone.waited == [0] * 3


@pytest.mark.django_db
def test_the_ledgers_own_connection_waits_so():
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        assert connection._start_transaction_under_autocommit.func is _begin
