"""The commands of the page that says how to keep it, run as they are written there.

There is no service manager here (`systemctl`), and what `runuser` would do as the user postgres is
done as the superuser of the test's own server.
"""

import gzip
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.integration.postgresql import PostgreSQLServer, programs
from tests.ports import HOST
from tests.watching import wait_until

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "tests" / "unit" / "ledger" / "first"
PAGE = ROOT / "docs" / "how-to" / "keeping.md"
PAGE_ZH = ROOT / "docs" / "zh" / "how-to" / "keeping.md"
NOT_HERE = ("systemctl", "export")
AS_SUPERUSER = "runuser -u postgres -- "
MANAGE = f"{sys.executable} {ROOT / 'manage.py'}"
COUNTS = "SELECT (SELECT count(*) FROM neural_neuralevent), (SELECT count(*) FROM neural_taskrun)"

pytestmark = pytest.mark.slow
needs_server = pytest.mark.skipif(
    programs() is None, reason="no programs of a PostgreSQL server are here"
)


def commands(heading: str) -> list[list[str]]:
    """Of each block below the heading."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.M | re.S)[1]
    blocks = re.findall(r"```console\n(.*?)```", section, re.S)
    return [re.findall(r"^\$ (.*)$", block, re.M) for block in blocks]


def test_both_languages_show_the_same_commands_under_as_many_headings():
    pages = [page.read_text() for page in (PAGE, PAGE_ZH)]

    for pattern in (r"^(#+) ", r"```console\n(.*?)```"):
        shown = [re.findall(pattern, page, re.M | re.S) for page in pages]
        assert shown[0] == shown[1]


class Home:
    """A checkout's directory with its `var`, in which commands are entered."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.var = directory / "var"
        self.var.mkdir()
        self.database = ""
        self.server: PostgreSQLServer | None = None
        self.said = ""

    def enter(self, lines: list[str], **replaced: str) -> str:
        said = ""
        for line in lines:
            if line.startswith(NOT_HERE) or self._lacks(line):
                continue
            for written, meant in {"manage.py": MANAGE, AS_SUPERUSER: "", **replaced}.items():
                line = line.replace(written, meant)
            done = subprocess.run(
                ["sh", "-ec", line], cwd=self.directory, env=self.environment(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            # doctor says that no worker is there, which is so.
            assert done.returncode == 0 or line.endswith("doctor"), done.stdout + done.stderr
            said += done.stdout
        return said

    def _lacks(self, line: str) -> bool:
        """Whether it is about an extension that this server has not got."""
        if "EXTENSION" not in line or self.server is None:
            return False
        with self.server.connect() as connected:
            there = "SELECT FROM pg_available_extensions WHERE name = 'vector'"
            return connected.execute(there).fetchone() is None

    def environment(self) -> dict[str, str]:
        ours = ("DJANGO_", "ZHILIAN_", "NEURAL_", "CELERY_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        tools = f"{programs()}:{kept['PATH']}"
        return {
            **kept,
            "PATH": tools,
            **self._superuser(),
            "ZHILIAN_ENV_FILE": "",
            "ZHILIAN_VAR": str(self.var),
            "DATABASE_URL": self.database,
            "DATABASE": self.database,
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/1",
        }

    def _superuser(self) -> dict[str, str]:
        if self.server is None:
            return {}
        return {"PGHOST": HOST, "PGPORT": str(self.server.port), "PGUSER": "postgres"}


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def on_sqlite(home) -> Home:
    """A deployment on SQLite, with the days of some tills."""
    with sqlite3.connect(home.var / "zhilian.sqlite3") as made:
        made.execute("PRAGMA journal_mode=WAL")
        made.executescript(gzip.decompress(newest("sqlite")).decode())
    made.close()
    home.enter(["manage.py migrate"])
    return home


def newest(vendor: str) -> bytes:
    return sorted(FIRST.glob(f"[0-9]*.{vendor}.sql.gz"))[-1].read_bytes()


def of_sqlite(file: Path) -> tuple[int, int]:
    with sqlite3.connect(file) as opened:
        found = opened.execute(COUNTS).fetchone()
    opened.close()
    return found


def test_a_backup_of_sqlite_beside_live_work_is_restored(on_sqlite):
    _, by_program, by_python = commands("Back up")
    restore, back, keep = commands("Restore")[3:]
    before = of_sqlite(on_sqlite.var / "zhilian.sqlite3")
    reading = sqlite3.connect(on_sqlite.var / "zhilian.sqlite3")  # so that the -wal file stays
    reading.execute("CREATE TABLE in_the_wal (id integer)")
    on_sqlite.enter([*(by_program if shutil.which("sqlite3") else []), *by_python])
    on_sqlite.enter(["cp again.backup.sqlite3 zhilian.backup.sqlite3"])
    reading.execute("DELETE FROM neural_tasktry")
    reading.execute("DELETE FROM neural_taskrun")
    reading.commit()
    reading.close()

    said = on_sqlite.enter(restore)

    assert of_sqlite(on_sqlite.var / "zhilian.sqlite3") == before
    assert re.search(r"^ok +migrations", said, re.M)

    on_sqlite.enter(back)

    assert of_sqlite(on_sqlite.var / "zhilian.sqlite3") == (before[0], 0)
    on_sqlite.enter(restore[:3])
    on_sqlite.enter(keep)
    assert of_sqlite(on_sqlite.var / "zhilian.sqlite3") == before
    assert [file.name for file in on_sqlite.var.glob("*before*")] == []


# PostgreSQL


@pytest.fixture
def server() -> Iterator[PostgreSQLServer]:
    directory = Path(tempfile.mkdtemp(prefix="neural-keeping-"))
    made = PostgreSQLServer(directory / "postgresql", programs())
    made.start()
    yield made
    made.crash()
    shutil.rmtree(directory)


@pytest.fixture
def on_postgresql(on_sqlite, server) -> Home:
    """The same deployment, that moves to PostgreSQL as the page says."""
    with server.connect() as connected:
        connected.execute("CREATE ROLE zhilian LOGIN")
    on_sqlite.server = server
    on_sqlite.database = server.url.replace("postgres@", "zhilian@").replace(
        "/postgres", "/zhilian"
    )
    on_sqlite.said = on_sqlite.enter(commands("From SQLite to PostgreSQL")[0])
    return on_sqlite


def of_postgresql(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connected:
        return connected.execute(COUNTS).fetchone()


@needs_server
def test_a_deployment_moves_from_sqlite_with_all_it_has(on_postgresql):
    assert of_postgresql(on_postgresql.database) == of_sqlite(on_postgresql.var / "zhilian.sqlite3")
    assert re.search(r"^ok +migrations", on_postgresql.said, re.M)
    on_postgresql.enter([*commands("The secret key")[0], *commands("What a year.*?")[0]])


@needs_server
def test_a_dump_is_restored_and_what_was_there_goes_at_the_end_alone(on_postgresql, server):
    restore, _, keep = commands("Restore")[:3]
    before = of_postgresql(on_postgresql.database)
    on_postgresql.enter(commands("Back up")[0])
    lose_all_runs(on_postgresql)

    said = on_postgresql.enter(restore)

    assert of_postgresql(on_postgresql.database) == before
    assert re.search(r"^ok +migrations", said, re.M)
    assert of_postgresql(f"{on_postgresql.database}_before") == (before[0], 0)
    on_postgresql.enter(keep)
    with server.connect() as connected:
        assert databases(connected) == {"postgres", "zhilian"}


@needs_server
def test_a_dump_that_was_cut_off_costs_nothing_of_the_live_database(on_postgresql, server):
    restore, back = commands("Restore")[:2]
    before = of_postgresql(on_postgresql.database)
    on_postgresql.enter(commands("Back up")[0])
    dump = on_postgresql.directory / "zhilian.dump"
    dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])

    with pytest.raises(AssertionError, match="pg_restore"):
        on_postgresql.enter(restore)
    on_postgresql.enter(back)

    assert of_postgresql(on_postgresql.database) == before
    with server.connect() as connected:
        assert databases(connected) == {"postgres", "zhilian"}


def lose_all_runs(home: Home) -> None:
    with psycopg.connect(home.database) as connected:
        connected.execute("TRUNCATE neural_taskrun CASCADE")


def databases(connected: psycopg.Connection) -> set[str]:
    listed = "SELECT datname FROM pg_database WHERE NOT datistemplate"
    return {name for (name,) in connected.execute(listed)}


@needs_server
@pytest.mark.skipif(os.getuid() != 0, reason="the server's user is entered as root")
def test_a_database_goes_back_to_a_point_in_time(home, server):
    first, target = commands("A point in time")
    place = server.directory.parent
    written_ahead, base = place / "wal", place / "base"
    written_ahead.mkdir()
    shutil.chown(written_ahead, "postgres")
    shutil.chown(place, "postgres")
    address = f"-h 127.0.0.1 -p {server.port} -U postgres"
    places = {"/srv/wal": str(written_ahead), "/srv/base": str(base)}
    replaced = {
        **places,
        "psql ": f"psql {address} ",
        "pg_basebackup ": f"pg_basebackup {address} ",
    }
    home.enter(first[:2], **replaced)
    server.crash()
    server.start()
    with server.connect() as connected:
        connected.execute("CREATE TABLE sold (dish text)")
        home.enter(first[3:], **replaced)
        connected.execute("INSERT INTO sold VALUES ('tart')")
        (moment,) = connected.execute("SELECT clock_timestamp()::text").fetchone()
        time.sleep(0.1)
        connected.execute("INSERT INTO sold VALUES ('by mistake')")
        (segment,) = connected.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
    wait_until((written_ahead / segment).exists, 60)
    server.crash()

    home.enter(target, **places, **{"2026-03-02 12:00:00+08": moment})
    server.restore(base)

    with server.connect() as connected:
        assert connected.execute("SELECT dish FROM sold").fetchall() == [("tart",)]
