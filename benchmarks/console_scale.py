"""Measures the console's pages over HTTP on a large ledger, while workers drain events.

    python -m benchmarks.console_scale                      10 million runs; needs 15 GB of disk
    python -m benchmarks.console_scale --runs 200000 --days 30 --seconds 30
    python -m benchmarks.console_scale --reuse              the rows of the run before

Fills a PostgreSQL database with finished runs of 400 days, their events and failed attempts, 200
stores, 60 works, 300 worker processes of which most are gone, 40 error groups, 50 schedules, 2,000
alerts, the figures of so many days, 20,000 orders, 200,000 entries of the audit log and 50 bulk
actions. Then two web processes, two workers and beat start as with `manage.py up`, a process
submits 500 sales reports a second, and ten viewers walk through the console's pages, each with a
session: they open a page, and the next one about a second after its answer. Every fifth viewer is
limited to five stores, and half of them read Chinese. Prints JSON: by page, visits and milliseconds
from connecting to the last byte; runs drained a second; megabytes; for a machine that others use,
too, what each page costs alone: processor time and statements; the pages that were left out because
they do not answer; and how fast a file of 200,000 runs is made.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.growth.database import Server
from benchmarks.isolated import ROOT, SERVER
from benchmarks.machine import machine
from zhilian.supervision.embedded import EmbeddedBroker

DATABASE = "neural_console_scale"
MODULE = "benchmarks.measure_console_scale"


def main() -> None:
    options = _options()
    server = Server(options.postgresql)
    if not options.reuse:
        server.create(options.name)
    figures: dict[str, Any] = {"machine": machine(), "server": server.settings()}
    try:
        figures |= _measured(server.url_of(options.name), options)
    finally:
        if not (options.keep or options.reuse):
            server.drop(options.name)
    json.dump(figures, sys.stdout, indent=2)
    print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="How fast the console's pages are at scale.")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    parser.add_argument("--name", default=DATABASE, help=f"its database (default {DATABASE})")
    parser.add_argument("--runs", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=400, help="days of figures")
    parser.add_argument("--rate", type=int, default=500, help="events submitted a second")
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--seconds", type=int, default=120, help="how long they walk")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two pages")
    parser.add_argument("--keep", action="store_true", help="leave the database")
    parser.add_argument(
        "--reuse", action="store_true", help="measure the database that --keep has left"
    )
    return parser.parse_args()


def _measured(database: str, options: argparse.Namespace) -> Any:
    numbers = [options.runs, options.days, options.rate, options.viewers, options.seconds]
    arguments = [*numbers, round(1000 * options.pause)]
    with (
        tempfile.TemporaryDirectory(prefix="neural-console-") as folder,
        EmbeddedBroker(Path(folder, "broker")) as broker,
    ):
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "ZHILIAN_VAR": folder,
            "ZHILIAN_ENV_FILE": "",
            "ZHILIAN_LOG_LEVEL": "WARNING",
            "CELERY_BROKER_URL": broker.url,
            "DATABASE_URL": database,
        }
        command = [sys.executable, "-m", MODULE, *map(str, arguments)]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
    return json.loads(done.stdout)


if __name__ == "__main__":
    main()
