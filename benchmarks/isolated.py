"""Runs a benchmark in a process of its own, on its own database and broker, and reads its JSON."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import QUICK, machine
from zhilian.supervision.embedded import EmbeddedBroker

ROOT = Path(__file__).resolve().parent.parent
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
DATABASE = f"neural_benchmark_{os.getpid()}"
"""Of this run alone: another benchmark on the same server has one of its own."""
SERVER_SETTINGS = (
    "server_version",
    "shared_buffers",
    "effective_cache_size",
    "work_mem",
    "max_wal_size",
    "fsync",
    "synchronous_commit",
    "autovacuum",
)
"""Settings of a server that affect the figures."""
MEASURES = "BENCHMARK_MEASURES"
"""Set in the process that measures."""
Option = tuple[Any, str]
"""An option's default and its help. The default's type is the option's; of None it is a number.
The option ``keep`` is a folder: its databases are left and used again (:func:`measure`)."""


def started(name: str, text: str | None, **options: Option) -> argparse.Namespace:
    """The options of the benchmark that calls this first of all, with its ``__name__`` and
    ``__doc__``.

    As a command it measures itself on each chosen database in a further process, prints all
    figures and ends here. In that process, and where it is imported, Django is set up afterwards.
    """
    arguments = parser((text or "").partition("\n")[0])
    for option, (default, what) in options.items():
        arguments.add_argument(f"--{option.replace('_', '-')}", help=what, **_kind(default))
    chosen = arguments.parse_args(None if name == "__main__" else [])
    if name == "__main__" and MEASURES not in os.environ:
        module = sys.modules[name].__spec__.name  # type: ignore[union-attr]  # it was run by -m
        measure(module, sys.argv[1:], chosen)
        sys.exit()
    set_up(migrates=name == "__main__")
    return chosen


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--database", choices=["both", "sqlite", "postgresql"], default="both")
    made.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    return made


def set_up(*, migrates: bool) -> None:
    """Set up Django, and with ``migrates`` the tables, unless they were copied (SQLite)."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django
    from django.core.management import call_command

    django.setup()
    if migrates and not (QUICK and "DATABASE_URL" not in os.environ):
        call_command("migrate", run_syncdb=True, verbosity=0)


def _kind(default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"action": "store_true"}
    if isinstance(default, list):
        return {"type": int, "nargs": "+", "default": default}
    if isinstance(default, str):
        return {"default": default}
    return {"type": float if isinstance(default, float) else int, "default": default}


def measure(module: str, arguments: Sequence[str], options: argparse.Namespace) -> None:
    """Run ``module`` for each chosen database and print all figures as JSON. In a folder that is
    kept, each has its files, and the database of PostgreSQL is called like the folder."""
    both = ["sqlite", "postgresql"]
    figures: dict[str, Any] = {"machine": machine()}
    kept = Path(options.keep).absolute() if getattr(options, "keep", "") else None
    for database in both if options.database == "both" else [options.database]:
        folder, url = kept and kept / database, ""
        if database == "postgresql":
            server, name = Server(options.postgresql), kept.name if kept else DATABASE
            is_there = folder is not None and folder.exists()
            url = server.url_of(name) if is_there else server.create(name)
        try:
            with environment(url, folder) as variables:
                figures[database] = output([sys.executable, "-m", module, *arguments], variables)
        finally:
            if database == "postgresql" and not kept:
                server.drop_all()
    json.dump(figures, sys.stdout, indent=2)
    print()


@contextmanager
def environment(database: str, kept: Path | None = None) -> Iterator[dict[str, str]]:
    """The environment of a process that measures this database (empty: SQLite in a new folder, or
    in the one that is kept), with a folder and a broker of its own."""
    with (
        tempfile.TemporaryDirectory(prefix="neural-bench-") as new,
        EmbeddedBroker(Path(new, "broker")) as broker,
    ):
        folder = str(kept or new)
        Path(folder).mkdir(parents=True, exist_ok=True)
        if QUICK and not database and not Path(folder, "zhilian.sqlite3").exists():
            shutil.copytree(QUICK, folder, dirs_exist_ok=True)
        yield {
            **{name: value for name, value in os.environ.items() if name != "DATABASE_URL"},
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "PYTHONPATH": str(ROOT),
            "ZHILIAN_VAR": folder,
            "ZHILIAN_ENV_FILE": "",
            "ZHILIAN_LOG_LEVEL": "WARNING",
            "CELERY_BROKER_URL": broker.url,
            MEASURES: "1",
            **({"DATABASE_URL": database} if database else {}),
        }


def output(command: list[str], variables: dict[str, str]) -> Any:
    """What a command prints as JSON."""
    done = subprocess.run(command, env=variables, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


class Server:
    """A PostgreSQL server, by the URL of a database whose user may create others."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._made: set[str] = set()

    def url_of(self, name: str) -> str:
        """The URL of another database of this server."""
        base, _, options = self.url.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")

    def create(self, name: str, *, template: str = "template1") -> str:
        """Create a database anew and return its URL; nobody may be connected to the template, nor
        to a database of this name that another benchmark has created. A checkpoint follows, so that
        no measurement begins with pages left to be written."""
        if name in self._made:
            self.drop(name)
        else:
            self._execute(f'DROP DATABASE IF EXISTS "{name}"')
        self._made.add(name)
        # Copy files rather than use the log, which would write a large database twice.
        by_files = "STRATEGY FILE_COPY" if int(self.show("server_version_num")) >= 150000 else ""
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {by_files}')
        self._execute("CHECKPOINT")
        return self.url_of(name)

    def drop(self, name: str) -> None:
        """Drop a database if it exists, whoever is connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    def drop_all(self, *, keep: Collection[str] = ()) -> None:
        """Drop all databases that were created here."""
        for name in self._made - set(keep):
            self.drop(name)

    def show(self, setting: str) -> str:
        """A setting of the server."""
        return str(self._execute(f"SHOW {setting}"))

    def settings(self, *names: str) -> dict[str, str]:
        """These settings of the server, or :data:`SERVER_SETTINGS`, by name."""
        return {name: self.show(name) for name in names or SERVER_SETTINGS}

    def _execute(self, statement: str) -> Any:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None
