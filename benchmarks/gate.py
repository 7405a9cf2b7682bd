"""Compares the working tree with an older revision, and fails where it has become slower.

    python -m benchmarks.gate                the last release, or where this branch left main
    python -m benchmarks.gate --base REV     another revision

Both are measured by the benchmarks of the working tree, with the same packages: the older revision
lies in a Git worktree made for it. What is measured is Neural's part of `benchmarks.peers` on
PostgreSQL. In each repeat the two take turns at each measurement, so that
whatever else the machine does meets both. A ratio is the working tree's rate by the older one's in
one pair. Ends with 1 if the median of a ratio is below its floor, and with 2 where the machine is
not idle and nothing can be concluded.
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
"""Equal code beside itself has had medians from .88 on."""
LOOKS = 5
Rates = dict[str, float]


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
            repeats = [
                _repeat(bench, [older, newer], number, options) for number in range(options.repeats)
            ]
    finally:
        server.drop_all()
    figures = summary(repeats)
    print(_table(figures, base), file=sys.stderr)
    with open(options.json, "w") if options.json else sys.stdout as file:
        json.dump({"machine": machine(), "base": base, "figures": figures}, file, indent=2)
    if slower := below(figures, options.floor):
        sys.exit(f"Slower than {base[:8]}: {', '.join(slower)}.")


def _repeat(
    bench: Bench, pair: list[Any], number: int, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Both rates of each figure; which is measured first alternates."""
    rates: dict[str, Rates] = {each.name: {} for each in pair}
    for place, measurement in enumerate(NEURAL.measurements):
        what = f"repeat {number + 1}, {measurement.drain_figures[0]}"
        if not (_is_idle(what) or options.busy):
            print("Not judged: wait until nobody uses the machine.", file=sys.stderr)
            sys.exit(2)
        for each in pair if (number + place) % 2 else reversed(pair):
            rates[each.name] |= bench.measured(each, measurement)
    older, newer = (rates[each.name] for each in pair)
    return {figure: [older[figure], newer[figure]] for figure in older}


def _is_idle(what: str) -> bool:
    """Look a few times: the server may still be writing what was measured before."""
    return any(idle_before(what) >= IDLE for _ in range(LOOKS))


def summary(repeats: Sequence[dict[str, list[float]]]) -> dict[str, Any]:
    """For each figure the rates of both, and the ratio of each pair."""
    return {
        figure: {
            "base": spread((repeat[figure][0] for repeat in repeats), 0),
            "here": spread((repeat[figure][1] for repeat in repeats), 0),
            "ratio": spread((repeat[figure][1] / repeat[figure][0] for repeat in repeats), 2),
        }
        for figure in repeats[0]
    }


def below(figures: dict[str, Any], floor: float) -> list[str]:
    """The figures that have become slower."""
    return [name for name, figure in figures.items() if figure["ratio"]["median"] < floor]


def _table(figures: dict[str, Any], base: str) -> str:
    rows = [("", f"{base[:8]}, a second", "here", "ratio: median (min–max)")]
    for name, figure in figures.items():
        ratio = figure["ratio"]
        rows.append(
            (
                name.replace("_", " "),
                f"{figure['base']['median']:,}",
                f"{figure['here']['median']:,}",
                f"{ratio['median']:.2f} ({ratio['min']:.2f}–{ratio['max']:.2f})",
            )
        )
    return markdown(rows)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate")
    parser.add_argument("--base", metavar="REV", help="the revision to compare with")
    parser.add_argument("--events", type=int, default=2000, help="events of each measurement")
    parser.add_argument("--repeats", type=int, default=5, help="pairs of each measurement")
    parser.add_argument("--floor", type=float, default=FLOOR, help=f"least ratio ({FLOOR})")
    parser.add_argument("--busy", action="store_true", help="measure on a busy machine as well")
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
