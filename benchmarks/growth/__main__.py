"""Does the ledger keep its pace as it grows? 100 thousand finished runs beside 1 and 10 million.

    python -m benchmarks.growth
    python -m benchmarks.growth --rows 5000,50000 --repeats 2       a quick look
    python -m benchmarks.growth --keep --only costs                 fills, and measures little
    python -m benchmarks.growth --reuse --only pace,pages           the databases of the run before

Fills a database for each size with the last runs of 300 stores, their events and failed attempts,
and with monitoring's figures, error groups and alerts. It measures them in turn, so that other work
on the machine affects all sizes: submitting, claiming, settling, the relay's scan and draining
(pace), the console's lists and home (pages), a step of each kind of pruning (prune). On the largest
it looks at a backlog that no statistics know, and at whether each index serves its query; on the
smallest, at what an index costs an insert, and at what an order's read models and documents need on
disk. The table goes to stderr, and JSON to stdout or to a file. It needs PostgreSQL; ten million
runs need about 15 GB of disk.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.isolated import SERVER, Server, environment, set_up

DATABASE = "neural_growth"
LEAST = 5_000
"""The smallest size. Of a hundred runs 55 are of orders, and a backlog needs 2,500 of those."""
HOUR = "3600"
PATIENT = {
    "NEURAL_REPUBLISH_SECONDS": HOUR,
    "NEURAL_REPUBLISH_LEASE_SECONDS": HOUR,
    "NEURAL_BATCH_CLAIM_SECONDS": "60",
}
"""No run becomes unpublished because a measurement takes long, and claims are whole batches however
fast the machine is."""


def main() -> int:
    options = _options()
    server = Server(options.postgresql)
    names = {size: f"{options.name}_{size}" for size in options.rows}
    if not options.reuse:
        for name in names.values():
            server.create(name)
    try:
        with environment(server.url_of(names[options.rows[0]])) as variables:
            os.environ.update(variables | PATIENT)
            figures = _measured(server, names, options)
    finally:
        for name in () if options.keep or options.reuse else names.values():
            server.drop(name)
    if options.json is None:
        json.dump(figures, sys.stdout, indent=2)
        print()
    return 1 if figures.get("indexes", {}).get("flagged") else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Does the ledger keep its pace as it grows?")
    parser.add_argument("--rows", type=_rows, default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    parser.add_argument("--name", default=DATABASE, help="how its databases' names begin")
    parser.add_argument(
        "--only", help="parts, by commas: pace,pages,prune,backlog,indexes,costs,disk"
    )
    parser.add_argument("--repeats", type=int, default=5, help="rounds")
    parser.add_argument(
        "--json", type=Path, help="file for the figures, kept after each part (default: stdout)"
    )
    parser.add_argument("--keep", action="store_true", help="leave the databases")
    parser.add_argument("--reuse", action="store_true", help="measure those that were left")
    return parser.parse_args()


def _rows(text: str) -> list[int]:
    sizes = sorted(int(each) for each in text.split(","))
    if any(size < 100 or size % 100 for size in sizes):
        raise argparse.ArgumentTypeError("sizes are multiples of 100")
    if sizes[-1] < LEAST:
        raise argparse.ArgumentTypeError(
            f"the largest size is at least {LEAST:,}: its orders are the backlog that is measured"
        )
    return sizes


def _measured(server: Server, names: dict[int, str], options: argparse.Namespace) -> dict[str, Any]:
    set_up(migrates=False)
    from benchmarks.growth.course import PARTS, measure  # needs the settings

    def save(figures: dict[str, Any]) -> None:
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")

    return measure(
        server,
        names=names,
        parts=options.only.split(",") if options.only else PARTS,
        repeats=options.repeats,
        reuse=options.reuse,
        save=save,
    )


if __name__ == "__main__":
    sys.exit(main())
