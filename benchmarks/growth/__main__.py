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
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.growth.database import GROWN, Server
from benchmarks.isolated import SERVER
from zhilian.supervision.embedded import EmbeddedBroker

LEAST = 5_000
"""The smallest size. Of a hundred runs 55 are of orders, and `backlog` needs 2,500 of those."""


def main() -> int:
    options = _options()
    server = Server(options.postgresql)
    with (
        tempfile.TemporaryDirectory(prefix="neural-growth-") as folder,
        EmbeddedBroker(Path(folder, "broker")) as broker,
    ):
        server.create(GROWN)
        os.environ.update(_environment(folder, broker.url, server.url_of(GROWN)))
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


def _environment(folder: str, broker: str, database: str) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "benchmarks.growth.settings",
        "ZHILIAN_VAR": folder,
        "ZHILIAN_ENV_FILE": "",
        "ZHILIAN_LOG_LEVEL": "WARNING",
        "CELERY_BROKER_URL": broker,
        "DATABASE_URL": database,
    }


def _measured(server: Server, options: argparse.Namespace) -> dict[str, Any]:
    import django

    django.setup()
    from benchmarks.growth.course import measure  # needs the settings

    def save(figures: dict[str, Any]) -> None:
        if options.json is not None:
            options.json.write_text(json.dumps(figures, indent=2) + "\n")

    return measure(server, sizes=options.rows, repeats=options.repeats, save=save)


if __name__ == "__main__":
    sys.exit(main())
