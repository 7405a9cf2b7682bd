"""Compares calls of a ledger task with those of plain Celery, on the same broker and PostgreSQL.

    python -m benchmarks.delays                   ledger, and Celery with results in both places
    python -m benchmarks.delays --only neural

The task is the peers' upsert of three rows. Measured are ``delay()`` one by one, ``delay()`` in one
transaction and a group of 1,000, without a worker; and ``delay().get()``, one after the other,
beside a worker of two processes. Plain Celery writes no row when it is called, keeps its results on
Redis or in PostgreSQL (django-celery-results, with ``CELERY_DB_REUSE_MAX``), and with results in
the database polls each half second unless the caller names an interval.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.isolated import SERVER, Server
from benchmarks.machine import idle_before, machine, table_of_medians
from benchmarks.peers.installing import install
from benchmarks.peers.measuring import NEURAL, PEERS, Bench, Candidate, database_of, output

CANDIDATES = (
    NEURAL,
    *(each for each in PEERS if each.name in ("celery-redis", "celery-reuse")),
)
Figures = dict[str, float]


class Calls(Bench):
    """Where the calls of candidates are measured."""

    def figures(self, candidate: Candidate) -> Figures:
        """Each step in a fresh database with an empty broker."""
        found: Figures = {}
        for step in ("call", "get"):
            name = database_of(candidate)
            url = self._server.create(name, template=f"{name}_template")
            with self._environment(candidate, url) as environment:
                module = "benchmarks.peers.calling"
                command = [candidate.python, "-m", module, step, str(self._events)]
                found |= json.loads(output(command, environment, candidate.root))
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the candidates in turn; print JSON, and a table to stderr."""
    options = _options(arguments)
    candidates = [each for each in CANDIDATES if options.only in ("", each.name)]
    if any(each.apps for each in candidates):
        install()
    server = Server(options.postgresql)
    bench = Calls(server, None, options.calls)
    idle, repeats = [], []
    try:
        for candidate in candidates:
            bench.prepare(candidate)
        for number in range(options.repeats):
            place = number % len(candidates)
            idle.append(idle_before(f"repeat {number + 1}"))
            order = candidates[place:] + candidates[:place]
            repeats.append({each.name: bench.figures(each) for each in order})
    finally:
        server.drop_all()
    names = [each.name for each in candidates]
    print(table_of_medians(names, repeats), file=sys.stderr)
    about = {"machine": machine(), "postgresql": server.settings(), "idle_before": idle}
    print(json.dumps({**about, "repeats": repeats}, indent=2))


def _options(arguments: Sequence[str] | None) -> Any:
    names = ", ".join(each.name for each in CANDIDATES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.delays", description=__doc__)
    parser.add_argument("--calls", type=int, default=300, help="calls of each measurement")
    parser.add_argument("--repeats", type=int, default=3, help="how often all are measured")
    parser.add_argument("--only", default="", help=f"one of: {names}")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
