"""Keeps what the versions after this one must carry on, for their tests: `make dumps`.

A database of SQLite gets what a migration makes and the days of the demo's tills, some of them in
trouble. It is copied to PostgreSQL, on the server that DATABASE_URL names (`pg_dump` must be of its
version). Both are written to tests/unit/ledger/first as SQL, and the names of all settings,
commands and public functions as JSON. Whoever releases a version commits them.
"""

import gzip
import os
import re
import sqlite3
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DUMPS = ROOT / "tests" / "unit" / "ledger" / "first"
SERVER = os.environ.get("DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"
NAME = "zhilian_dump"
SIGNED_WITH = "of the dumps, which hold nothing that is secret"
FILL = """
import datetime as dt
import neural
from django.contrib.auth import get_user_model
from zhilian.demo import cases, live, till_days

get_user_model().objects.create_superuser("anna")
live.register_shops()
now = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
tills = till_days.play(session="1", now=now, today=live.business_days(now))
list(neural.submit_many([*till_days.first_days(tills), *till_days.second_days(tills)]))
list(neural.submit_many(request for _, request in cases.steps("1")))
neural.run_due()
"""
NAMES = """
import json
import neural
from django.core.management import get_commands
from neural.kit.conf import owners
from zhilian import environment

commands = [name for name, app in get_commands().items() if app.partition(".")[0] in OURS]
names = {
    "settings": owners(),
    "variables": environment.VARIABLES,
    "commands": commands,
    "public": neural.__all__,
}
print(json.dumps({kind: sorted(each) for kind, each in names.items()}, indent=1))
""".replace("OURS", "('neural', 'zhilian')")


NOBODY = "redis://127.0.0.1:1/1"


def manage(*arguments: str, **environment: str) -> str:
    ours = {"ZHILIAN_ENV_FILE": "", "ZHILIAN_SECRET_KEY": SIGNED_WITH, "CELERY_BROKER_URL": NOBODY}
    command = (sys.executable, str(ROOT / "manage.py"), *arguments)
    return subprocess.run(
        command, check=True, cwd=ROOT, env=os.environ | ours | environment,
        stdout=subprocess.PIPE, text=True,
    ).stdout  # fmt: skip


def of_sqlite(file: Path) -> Iterator[str]:
    """Its statements. A full-text index keeps tables of its own, which come with it."""
    with sqlite3.connect(file) as opened:
        made = "SELECT name, sql FROM sqlite_master WHERE sql LIKE 'CREATE VIRTUAL TABLE%'"
        virtual = dict(opened.execute(made))
        theirs = re.compile(rf'"?({"|".join(virtual)})_\w+"?\b')
        for statement in opened.iterdump():
            if statement.startswith("PRAGMA writable_schema") or theirs.search(statement):
                continue
            name = re.match(r"INSERT INTO sqlite_master.*?VALUES\('table','(\w+)'", statement)
            yield f"{virtual[name[1]]};" if name else statement
    opened.close()


def of_postgresql(url: str) -> Iterator[str]:
    """Its statements, without what only `psql` reads."""
    options = ("--inserts", "--rows-per-insert=500", "--no-owner", "--no-privileges")
    said = subprocess.run(
        ["pg_dump", *options, url], check=True, capture_output=True, text=True
    ).stdout
    for line in said.splitlines():
        if line and not line.startswith(("--", "\\", "SET transaction_timeout")):
            yield line


def write(vendor: str, lines: Iterable[str]) -> None:
    """Tracebacks of failed runs name this checkout, which is nobody's business."""
    text = "\n".join(lines).replace(str(ROOT), "/opt/zhilian")
    keep(f"{vendor}.sql.gz", gzip.compress(text.encode(), mtime=0))


def keep(name: str, content: bytes) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    path = DUMPS / f"{version}.{name}"
    path.write_bytes(content)
    print(f"{path.relative_to(ROOT)}: {len(content):,} bytes")


def main() -> None:
    server, database = SERVER.rpartition("/")[0], f"{SERVER.rpartition('/')[0]}/{NAME}"
    psql = ("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"{server}/postgres", "--command")
    with tempfile.TemporaryDirectory() as var:
        file = Path(var, "zhilian.sqlite3")
        manage("migrate", "--verbosity=0", ZHILIAN_VAR=var, DATABASE_URL="")
        manage("shell", "--verbosity=0", "--command", FILL, ZHILIAN_VAR=var, DATABASE_URL="")
        write("sqlite", of_sqlite(file))
        keep("names.json", manage("shell", "--verbosity=0", "--command", NAMES).encode())
        try:
            subprocess.run([*psql, f"CREATE DATABASE {NAME} TEMPLATE template0"], check=True)
            manage("migrate", "--verbosity=0", ZHILIAN_VAR=var, DATABASE_URL=database)
            copy = ("copy_from_sqlite", str(file), "--by", "anna")
            manage(*copy, ZHILIAN_VAR=var, DATABASE_URL=database)
            write("postgresql", of_postgresql(database))
        finally:
            subprocess.run([*psql, f"DROP DATABASE IF EXISTS {NAME}"], check=True)


if __name__ == "__main__":
    main()
