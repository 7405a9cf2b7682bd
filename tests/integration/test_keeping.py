"""The commands of the page that says how to keep it, run as they are written there.

Those that need root or a service manager (`systemctl`, `runuser`) are done by the test itself.
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
from tests.watching import wait_until

ROOT = Path(__file__).parents[2]
FIRST = ROOT / "tests" / "unit" / "ledger" / "first"
PAGE = ROOT / "docs" / "how-to" / "keeping.md"
PAGE_ZH = ROOT / "docs" / "zh" / "how-to" / "keeping.md"
NOT_HERE = ("systemctl", "runuser", "export")
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

    def enter(self, lines: list[str], **replaced: str) -> str:
        said = ""
        for line in lines:
            if line.startswith(NOT_HERE):
                continue
            for written, meant in {"manage.py": MANAGE, **replaced}.items():
                line = line.replace(written, meant)
            done = subprocess.run(
                ["sh", "-ec", line], cwd=self.directory, env=self.environment(),
                capture_output=True, text=True, check=False,
            )  # fmt: skip
            # doctor says that no worker is there, which is so.
            assert done.returncode == 0 or line.endswith("doctor"), done.stdout + done.stderr
            said += done.stdout
        return said

    def environment(self) -> dict[str, str]:
        ours = ("DJANGO_", "ZHILIAN_", "NEURAL_", "CELERY_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        tools = f"{programs()}:{kept['PATH']}"
        return {
            **kept,
            "PATH": tools,
            "ZHILIAN_ENV_FILE": "",
            "ZHILIAN_VAR": str(self.var),
            "DATABASE_URL": self.database,
            "DATABASE": self.database,
            "CELERY_BROKER_URL": "redis://127.0.0.1:1/1",
        }


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
    (_, restore) = commands("Restore")
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


# PostgreSQL


@pytest.fixture
def server() -> Iterator[PostgreSQLServer]:
    directory = Path(tempfile.mkdtemp(prefix="neural-keeping-"))
    made = PostgreSQLServer(directory / "postgresql", programs())
    made.start()
    yield made
    made.crash()
    shutil.rmtree(directory)


def make_database(server: PostgreSQLServer) -> str:
    """The address of a new database of the service's user, as `runuser` would make it."""
    with server.connect() as connected:
        connected.execute("DROP DATABASE IF EXISTS zhilian")
        connected.execute("DROP ROLE IF EXISTS zhilian")
        connected.execute("CREATE ROLE zhilian LOGIN")
        connected.execute("CREATE DATABASE zhilian OWNER zhilian TEMPLATE template0")
    return server.url.replace("postgres@", "zhilian@").replace("/postgres", "/zhilian")


def of_postgresql(url: str) -> tuple[int, int]:
    with psycopg.connect(url) as connected:
        return connected.execute(COUNTS).fetchone()


@needs_server
def test_a_deployment_moves_from_sqlite_is_backed_up_and_restored(on_sqlite, server):
    (move,) = commands("From SQLite to PostgreSQL")
    before = of_sqlite(on_sqlite.var / "zhilian.sqlite3")
    on_sqlite.database = make_database(server)

    said = on_sqlite.enter(move)

    assert of_postgresql(on_sqlite.database) == before
    assert re.search(r"^ok +migrations", said, re.M)

    on_sqlite.enter(commands("Back up")[0])
    on_sqlite.database = make_database(server)
    said = on_sqlite.enter(commands("Restore")[0])

    assert of_postgresql(on_sqlite.database) == before
    assert re.search(r"^ok +migrations", said, re.M)
    on_sqlite.enter([*commands("The secret key")[0], *commands("What a year.*?")[0]])


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
