"""Does the ledger keep its pace as it grows? An empty one beside 1, 3 and 10 million finished runs.

    python -m benchmarks.growth
    python -m benchmarks.growth --rows 20000,50000 --repeats 2      a quick look

Generates finished runs with their events and attempts. At each size it measures submitting,
claiming, the relay's scan and draining, in turn with an empty ledger, so that other work on the
machine affects both. It reports the size of each index, what the index costs an insert, and whether
its query uses it. The table goes to stderr, and JSON to stdout or to a file. It needs PostgreSQL;
ten million runs need about 20 GB of disk.
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.isolated import SERVER, Server, environment, set_up

GROWN = "neural_growth"
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
    with environment(server.create(GROWN)) as variables:
        os.environ.update(variables | PATIENT)
        try:
            figures = _measured(server, options)
        finally:
            server.drop_all(keep=[GROWN] if options.keep else [])
    if options.json is None:
        json.dump(figures, sys.stdout, indent=2)
        print()
    return 1 if figures["indexes"]["flagged"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Does the ledger keep its pace as it grows?")
    parser.add_argument("--rows", type=_rows, default=[1_000_000, 3_000_000, 10_000_000])
    parser.add_argument("--postgresql", default=SERVER, help=f"server to use (default {SERVER})")
    parser.add_argument("--repeats", type=int, default=5, help="rounds at each size")
    parser.add_argument(
        "--json", type=Path, help="file for the figures, kept after each size (default: stdout)"
    )
    parser.add_argument("--keep", action="store_true", help=f"leave the database {GROWN}")
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


def _measured(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    set_up(migrates=False)
    from benchmarks.growth.course import measure  # needs the settings

    def save(figures: dict[str, Any]) -> None:
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")

    return measure(server, sizes=options.rows, repeats=options.repeats, save=save)


if __name__ == "__main__":
    sys.exit(main())
