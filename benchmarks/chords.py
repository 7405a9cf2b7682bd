"""Compares chords of ledger tasks with those of plain Celery, on the same broker and PostgreSQL.

    python -m benchmarks.chords                   ledger, and Celery with results in both places
    python -m benchmarks.chords --only neural --chords 100 --header 1000

A thousand chords of ten tasks, and one of a hundred thousand, beside a worker of two processes. A
task returns the time, and the body notes for how long it has been since the latest. Measured are
the seconds from the first call to the last body, and for the thousand the milliseconds from the end
of a chord's last task to the start of its body. Plain Celery counts a header on Redis, or in
PostgreSQL (django-celery-results, with ``CELERY_DB_REUSE_MAX``), and loses a chord whose process is
killed between the end of a task and its count.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.delays import CANDIDATES
from benchmarks.isolated import SERVER, Server
from benchmarks.machine import idle_before, machine, table_of_medians
from benchmarks.peers.installing import install
from benchmarks.peers.measuring import Bench, Candidate, database_of, output

Figures = dict[str, float]


class Chords(Bench):
    """Where the chords of candidates are measured."""

    def figures(self, candidate: Candidate, chords: int, members: int) -> Figures:
        """So many chords of so many tasks in a fresh database, with an empty broker."""
        name = database_of(candidate)
        url = self._server.create(name, template=f"{name}_template")
        with self._environment(candidate, url) as environment:
            module = "benchmarks.peers.composing"
            command = [candidate.python, "-m", module, str(chords), str(members)]
            found: Figures = json.loads(output(command, environment, candidate.root))
        return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the candidates in turn; print JSON, and a table to stderr."""
    options = _options(arguments)
    candidates = [each for each in CANDIDATES if options.only in ("", each.name)]
    if any(each.apps for each in candidates):
        install()
    server = Server(options.postgresql)
    bench = Chords(server, None, 1)
    idle, repeats = [], []
    try:
        for candidate in candidates:
            bench.prepare(candidate)
        for number in range(options.repeats):
            idle.append(idle_before(f"repeat {number + 1}"))
            place = number % len(candidates)
            order = candidates[place:] + candidates[:place]
            repeats.append({each.name: _measured(bench, each, options) for each in order})
    finally:
        server.drop_all()
    names = [each.name for each in candidates]
    print(table_of_medians(names, repeats), file=sys.stderr)
    about = {"machine": machine(), "postgresql": server.settings(), "idle_before": idle}
    print(json.dumps({**about, "repeats": repeats}, indent=2))


def _measured(bench: Chords, candidate: Candidate, options: Any) -> Figures:
    many = bench.figures(candidate, options.chords, options.members)
    large = bench.figures(candidate, 1, options.header)
    return {
        **{f"{name}, {options.chords:,} of {options.members}": many[name] for name in many},
        f"seconds, 1 of {options.header:,}": large["seconds"],
    }


def _options(arguments: Sequence[str] | None) -> Any:
    names = ", ".join(each.name for each in CANDIDATES)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chords", description=__doc__)
    parser.add_argument("--chords", type=int, default=1000, help="chords of a few tasks")
    parser.add_argument("--members", type=int, default=10, help="tasks of each of these")
    parser.add_argument("--header", type=int, default=100_000, help="tasks of the large chord")
    parser.add_argument("--repeats", type=int, default=3, help="how often all are measured")
    parser.add_argument("--only", default="", help=f"one of: {names}")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
