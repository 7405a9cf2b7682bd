"""Compares the working tree with an older revision, and fails where it has become slower or dearer.

    python -m benchmarks.gate                the last release, or where this branch left main
    python -m benchmarks.gate --base REV     another revision

Both are measured by the benchmarks of the working tree, with the same packages: the older revision
lies in a Git worktree made for it. What is measured on PostgreSQL are the rates of Neural's part of
`benchmarks.peers`, and what `benchmarks.costs` tells of a submit, a `delay()` and drains of
both: processor time and statements. Rates show waiting, too, and differ by a tenth and more between
measurements of the same code; costs show a loss of some hundredths. In each repeat the two
revisions take turns, so that whatever else the machine does meets both. A ratio is above one where
the working tree is better: its rate by the older one's, or the older one's cost by its own, in one
pair. Ends with 1 if the median of a ratio is below its floor, and with 2 where the machine is not
idle, so that rates tell nothing; --costs measures costs alone, on any machine.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.isolated import ROOT, SERVER, Server
from benchmarks.machine import IDLE, idle_before, machine, markdown, spread
from benchmarks.peers.measuring import NEURAL, Bench

FLOOR = 0.85
"""For rates. Equal code beside itself has had medians from .88 on."""
COST_FLOORS = {
    "processor_us_of_the_client": 0.95,
    "processor_us_of_the_server": 0.75,
    "statements": 0.99,
}
"""A loss of 10 % is a ratio of .91. Of the server, equal code has had medians from .85 on beside a
load of eight and more."""
OF_A_ROUND, WARMING_UP = 20, 3
LOOKS = 5
Figures = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in turn, print the table and the figures, and judge."""
    options = _options(arguments)
    base = _git("rev-parse", options.base or _default_base())
    server = Server(options.postgresql)
    try:
        with _worktree(base) as folder:
            bench = Bench(server, None, options.events)
            older = replace(NEURAL, name="gate-base", root=folder)
            newer = replace(NEURAL, name="gate-here")
            for candidate in (older, newer):
                bench.prepare(candidate)
            rounds = _costs(bench, [older, newer], options.rounds)
            repeats = [
                _repeat(bench, [older, newer], number, options)
                for number in range(0 if options.costs else options.repeats)
            ]
    finally:
        server.drop_all()
    figures = summary(rounds) | (summary(repeats) if repeats else {})
    print(_table(figures, base), file=sys.stderr)
    with open(options.json, "w") if options.json else sys.stdout as file:
        json.dump({"machine": machine(), "base": base, "figures": figures}, file, indent=2)
    if worse := below(figures, options.floor):
        sys.exit(f"Worse than {base[:8]}: {', '.join(worse)}.")


def _repeat(
    bench: Bench, pair: list[Any], number: int, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Both values of each figure; which is measured first alternates."""
    found: dict[str, Figures] = {each.name: {} for each in pair}
    for place, measurement in enumerate(NEURAL.measurements):
        what = f"repeat {number + 1}, {measurement.drain_figures[0]}"
        if not (_is_idle(what) or options.busy):
            print("Not judged: wait until nobody uses the machine.", file=sys.stderr)
            sys.exit(2)
        for each in pair if (number + place) % 2 else reversed(pair):
            found[each.name] |= bench.measured(each, measurement)
    older, newer = (found[each.name] for each in pair)
    return {figure: [older[figure], newer[figure]] for figure in older}


def _costs(bench: Bench, pair: list[Any], rounds: int) -> list[dict[str, list[float]]]:
    """Both costs of each figure, round by round. A round takes a moment, so that whatever else the
    machine does just then meets both."""
    found = []
    with bench.costs(pair[0], OF_A_ROUND) as older, bench.costs(pair[1], OF_A_ROUND) as newer:
        for number in range(WARMING_UP + rounds):
            asked = [older, newer] if number % 2 else [newer, older]
            first, second = (ask(f"round{number}") for ask in asked)
            costs = (first, second) if number % 2 else (second, first)
            found.append({figure: [cost[figure] for cost in costs] for figure in first})
    return found[WARMING_UP:]


def _is_idle(what: str) -> bool:
    """Look a few times: the server may still be writing what was measured before."""
    return any(idle_before(what) >= IDLE for _ in range(LOOKS))


def summary(repeats: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """For each figure the values of both, and the ratio of each pair."""
    return {
        figure: {
            "base": spread((repeat[figure][0] for repeat in repeats), 3),
            "here": spread((repeat[figure][1] for repeat in repeats), 3),
            "ratio": spread((_ratio(figure, *repeat[figure]) for repeat in repeats), 3),
        }
        for figure in repeats[0]
    }


def _ratio(figure: str, older: float, newer: float) -> float:
    return older / newer if _cost(figure) else newer / older


def _cost(figure: str) -> str:
    """Which cost this is; empty for a rate."""
    return next((cost for cost in COST_FLOORS if figure.endswith(cost)), "")


def below(figures: dict[str, Any], rates_floor: float) -> list[str]:
    """The figures that have become worse."""
    return [
        name
        for name, figure in figures.items()
        if figure["ratio"]["median"] < COST_FLOORS.get(_cost(name), rates_floor)
    ]


def _table(figures: dict[str, Any], base: str) -> str:
    rows = [("a second, or of each", base[:8], "here", "ratio: median (min–max)")]
    for name, figure in figures.items():
        ratio = figure["ratio"]
        rows.append(
            (
                name.replace("_", " "),
                f"{figure['base']['median']:,g}",
                f"{figure['here']['median']:,g}",
                f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})",
            )
        )
    return markdown(rows)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("--base", metavar="REV", help="the revision to compare with")
    parser.add_argument("--events", type=int, default=2000, help="events of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of each measurement")
    parser.add_argument(
        "--floor", type=float, default=FLOOR, help=f"least ratio of rates ({FLOOR})"
    )
    parser.add_argument("--busy", action="store_true", help="measure on a busy machine as well")
    parser.add_argument("--rounds", type=int, default=200, help="pairs of each cost")
    parser.add_argument("--costs", action="store_true", help="costs alone, on any machine")
    parser.add_argument("--json", metavar="FILE", help="where to write the JSON (stdout)")
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    return parser.parse_args(arguments)


# The older revision


def _default_base() -> str:
    """The last release, else where this branch left main, else (on main) the commit before."""
    tag = subprocess.run(
        ["git", "describe", "--tags", "--abbrev=0"], capture_output=True, text=True
    )
    if not tag.returncode:
        return tag.stdout.strip()
    base = _git("merge-base", "HEAD", "main")
    return base if base != _git("rev-parse", "HEAD") else "HEAD~1"


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def _worktree(revision: str) -> Iterator[Path]:
    """The revision in a temporary folder, with the benchmarks of the working tree."""
    with tempfile.TemporaryDirectory(prefix="neural-gate-") as folder:
        path = Path(folder, "base")
        _git("worktree", "add", "--detach", str(path), revision)
        try:
            shutil.rmtree(path / "benchmarks")
            ignored = shutil.ignore_patterns(".venv*")
            shutil.copytree(ROOT / "benchmarks", path / "benchmarks", ignore=ignored)
            yield path
        finally:
            _git("worktree", "remove", "--force", str(path))


if __name__ == "__main__":
    main()
