"""Measures vector stores by number of rows: ``python -m benchmarks.vector_store``.

Each step runs in a process of its own, so that its memory can be measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.vector_store.building import STORES


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="neural-bench-", dir=options.folder) as folder:
        _run("corpus", folder, options.embedded, options.questions, answers=False)
        figures: dict[str, Any] = {
            "machine": machine(),
            "store": options.store,
            "embedded": options.embedded,
            "questions": options.questions,
            "rows": {count: _measured(options, folder, count) for count in options.rows},
        }
    json.dump(figures, sys.stdout, indent=2)
    print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vector_store", description=__doc__)
    parser.add_argument("--store", choices=sorted(STORES), default="lance")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--embedded", type=int, default=20_000, help="orders that are embedded")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument(
        "--unindexed", type=int, default=20_000, help="rows that are added unindexed"
    )
    parser.add_argument("--folder", type=Path, help="where tables are made; 5 GB a million rows")
    return parser.parse_args()


def _measured(options: argparse.Namespace, folder: str, count: int) -> dict[str, Any]:
    built = _run("building", options.store, folder, count)
    asked = _run("asking", options.store, folder, count, options.questions, options.unindexed)
    return {"built": built, "asked": asked}


def _run(module: str, *arguments: object, answers: bool = True) -> Any:
    command = [sys.executable, "-m", f"benchmarks.vector_store.{module}", *map(str, arguments)]
    print(f"{module} {' '.join(map(str, arguments))}", file=sys.stderr)
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) if answers else None


if __name__ == "__main__":
    main()
