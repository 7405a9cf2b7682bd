"""``python -m tests.mutations``: is each fault noticed by the test that its entry names?

For each database it copies the checkout, makes sure that all named tests pass, then puts one fault
at a time into the copy and runs its test. Ends with 1 if a test did not fail, or failed for another
reason than an assertion, an exception or a time-out of its own. The checkout is never changed.

DATABASE_URL names the PostgreSQL server (its own test database is made there); ``--only TEXT``
chooses faults whose file, name or test contains the text.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests.mutations.faults import FAULTS, Fault, mutated

ROOT = Path(__file__).parents[2]
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
NAME = f"mutations_{os.getpid()}"
DATABASES = ("sqlite", "postgresql")
CAUGHT, SURVIVED, BROKEN = "caught", "SURVIVED", "BROKEN"
VERDICTS = {0: SURVIVED, 1: CAUGHT}
"""By pytest's exit code. Any other one (no such test, no database, an import that fails) says
nothing about the test."""


class Verdict(NamedTuple):
    """What became of a fault on one database."""

    fault: Fault
    database: str
    word: str
    seconds: float
    output: str


def main() -> int:
    """Try the chosen faults; returns the exit code."""
    options = _options()
    faults = [each for each in FAULTS if options.only in f"{each.file} {each.name} {each.test}"]
    databases = DATABASES if options.database == "both" else (options.database,)
    try:
        with ThreadPoolExecutor(len(databases)) as pool:
            found = pool.map(lambda database: list(_tried(database, faults)), databases)
            verdicts = [verdict for of_one in found for verdict in of_one]
    finally:
        _drop_database()
    print(_table(faults, verdicts))
    for each in verdicts:
        if each.word == BROKEN:
            print(f"\n--- {each.fault.name}, {each.database} ---\n{each.output[-2000:]}")
    return int(any(each.word != CAUGHT for each in verdicts))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="faults whose file, name or test has this text")
    parser.add_argument("--database", choices=["both", *DATABASES], default="both")
    return parser.parse_args()


def _tried(database: str, faults: Sequence[Fault]) -> Iterator[Verdict]:
    mine = [each for each in faults if each.database in ("", database)]
    with tempfile.TemporaryDirectory(prefix="zhilian-mutations-") as folder:
        tree = Path(folder, "tree")
        _copy(tree)
        run = _runner(database, tree, Path(folder))
        sound = run(["--create-db", *sorted({each.test for each in mine})])
        if sound.returncode:
            sys.exit(f"{database}: without any fault, a test fails:\n{sound.stdout[-6000:]}")
        for fault in mine:
            began = time.monotonic()
            with _put_into(tree, fault):
                done = run([fault.test])
            word = VERDICTS.get(done.returncode, BROKEN)
            if word == BROKEN:
                run(["--create-db", faults[0].test])  # a process that ended left its rows
            yield _told(Verdict(fault, database, word, time.monotonic() - began, done.stdout))


def _drop_database() -> None:
    """Drop the database that the runs shared on the server."""
    with suppress(psycopg.OperationalError), psycopg.connect(_on_server("postgres")) as connection:
        connection.autocommit = True
        connection.execute(f"DROP DATABASE IF EXISTS test_{NAME} WITH (FORCE)")


def _on_server(database: str) -> str:
    server = urlsplit(os.environ.get("DATABASE_URL", SERVER))
    return urlunsplit(server._replace(scheme="postgres", path=f"/{database}"))


def _copy(tree: Path) -> None:
    """What git knows or would take, as it is now."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


def _runner(
    database: str, tree: Path, folder: Path
) -> Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]:
    """Runs pytest in the copy, on a database that the runs share."""
    environment = {**os.environ, "ZHILIAN_VAR": str(folder / "zhilian-test--mutations")}
    environment["ZHILIAN_ENV_FILE"] = ""
    if database == "postgresql":
        environment["DATABASE_URL"] = _on_server(NAME)
    else:
        environment.pop("DATABASE_URL", None)
        environment.pop("CELERY_BROKER_URL", None)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    command += ["--ds", "tests.mutations.settings", "--reuse-db"]

    def run(arguments: Sequence[str]) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*command, *arguments],
            cwd=tree,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    return run


@contextmanager
def _put_into(tree: Path, fault: Fault) -> Iterator[None]:
    path = tree / fault.file
    sound = path.read_text()
    _write(path, mutated(fault, sound))
    try:
        yield
    finally:
        _write(path, sound)


def _write(path: Path, text: str) -> None:
    """With a time that no earlier version had: Python takes what it has compiled for the same if
    the second and the size are the same."""
    later = path.stat().st_mtime + 2
    path.write_text(text)
    os.utime(path, (later, later))


def _told(verdict: Verdict) -> Verdict:
    shown = f"{verdict.database:<11} {verdict.word:<9} {verdict.seconds:3.0f} s"
    print(f"{shown}  {verdict.fault.name}", flush=True)
    return verdict


def _table(faults: Sequence[Fault], verdicts: Sequence[Verdict]) -> str:
    words = {(each.fault, each.database): each.word for each in verdicts}
    lines = ["", f"{'sqlite':<10}{'postgresql':<12}fault, and the test that is to notice it"]
    for fault in faults:
        shown = [words.get((fault, database), "-") for database in DATABASES]
        lines.append(f"{shown[0]:<10}{shown[1]:<12}{fault.file}: {fault.name}")
        lines.append(f"{'':<22}{fault.test}")
    caught = sum(each.word == CAUGHT for each in verdicts)
    return "\n".join([*lines, f"{caught} of {len(verdicts)} were caught"])


if __name__ == "__main__":
    sys.exit(main())
