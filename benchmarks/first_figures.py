"""The ledger's first figures: submitting, draining, and how long an urgent event waits.

    python -m benchmarks.first_figures                      SQLite and PostgreSQL
    python -m benchmarks.first_figures --database sqlite

Each database is new, with workers and an embedded broker of its own; PostgreSQL is the
server of --postgresql, in which a database is made and dropped. Prints JSON; what is
measured, and on which machine, stands in it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from zhilian.embedded import EmbeddedBroker

ROOT = Path(__file__).resolve().parent.parent
SERVER = "postgres://postgres@127.0.0.1:5432/postgres"
DATABASE = "neural_benchmark"


def main() -> None:
    options = _options()
    databases = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    figures: dict[str, Any] = {"machine": machine()}
    for database in databases:
        with (
            tempfile.TemporaryDirectory(prefix="neural-bench-") as folder,
            EmbeddedBroker(Path(folder, "broker")) as broker,
        ):
            environment = _environment(database, folder, broker.url, options.postgresql)
            figures[database] = _measure(environment, options)
    json.dump(figures, sys.stdout, indent=2)
    print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", choices=["both", "sqlite", "postgresql"], default="both")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    parser.add_argument("--events", type=int, default=5000, help="events of each rate")
    parser.add_argument("--low", type=int, default=10_000, help="low runs of 20 ms in the way")
    parser.add_argument("--urgent", type=int, default=400, help="urgent events, 20 a second")
    return parser.parse_args()


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


def _measure(environment: dict[str, str], options: argparse.Namespace) -> Any:
    numbers = [str(options.events), str(options.low), str(options.urgent)]
    command = [sys.executable, "-m", "benchmarks.measure_ledger", *numbers]
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
