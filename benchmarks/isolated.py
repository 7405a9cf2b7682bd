"""Runs a measuring module on its own database and broker, and reads its JSON."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from zhilian.supervision.embedded import EmbeddedBroker

ROOT = Path(__file__).resolve().parent.parent
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
DATABASE = "neural_benchmark"


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--database", choices=["both", "sqlite", "postgresql"], default="both")
    made.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    return made


def measure(module: str, arguments: list[object], options: argparse.Namespace) -> None:
    """Run ``module`` for each chosen database and print all figures as JSON."""
    both = ["sqlite", "postgresql"]
    figures: dict[str, Any] = {"machine": machine()}
    for database in both if options.database == "both" else [options.database]:
        with (
            tempfile.TemporaryDirectory(prefix="neural-bench-") as folder,
            EmbeddedBroker(Path(folder, "broker")) as broker,
        ):
            environment = _environment(database, folder, broker.url, options.postgresql)
            figures[database] = _run(module, arguments, environment)
    json.dump(figures, sys.stdout, indent=2)
    print()


def _run(module: str, arguments: list[object], environment: dict[str, str]) -> Any:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def _environment(database: str, folder: str, broker: str, server: str) -> dict[str, str]:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "PYTHONPATH": str(ROOT),
        "ZHILIAN_VAR": folder,
        "ZHILIAN_ENV_FILE": "",
        "ZHILIAN_LOG_LEVEL": "WARNING",
        "CELERY_BROKER_URL": broker,
    }
    environment.pop("DATABASE_URL", None)
    if database == "postgresql":
        _new_database(server)
        environment["DATABASE_URL"] = f"{server.rpartition('/')[0]}/{DATABASE}"
    return environment


def _new_database(server: str) -> None:
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {DATABASE}")
