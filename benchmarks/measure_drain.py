"""Measures the database of the environment; `rates --drain-only` runs this module."""

import json
import os
import sys
from statistics import median
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import override_settings  # noqa: E402

from benchmarks.drain import drain_rate  # noqa: E402
from benchmarks.load.events import sales_report, submit_all  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402
from neural.retrieval.models import OutboxEntry  # noqa: E402

KINDS = {"without_search": False, "with_search": True}


def main(events: int, repeats: int) -> None:
    call_command("migrate", verbosity=0)
    pairs = [_pair(number, events) for number in range(repeats)]
    rates = {kind: [pair[kind]["per_second"] for pair in pairs] for kind in KINDS}
    ratios = [pair["with_search_to_without"] for pair in pairs]
    figures = {
        "events": events,
        "repeats": pairs,
        **{kind: _spread(each, 0) for kind, each in rates.items()},
        "with_search_to_without": _spread(ratios, 2),
    }
    json.dump(figures, sys.stdout)


def _pair(number: int, events: int) -> dict[str, Any]:
    """Drain once without and once with search; which is first alternates."""
    order = list(KINDS) if number % 2 else list(reversed(KINDS))
    found = {kind: _drained(f"drain{number}-{kind}", events, KINDS[kind]) for kind in order}
    ratio = found["with_search"]["per_second"] / found["without_search"]["per_second"]
    return {**{kind: found[kind] for kind in KINDS}, "with_search_to_without": round(ratio, 2)}


def _drained(source: str, events: int, search: bool) -> dict[str, float]:
    """One drain by new processes. Records that it left to be indexed do not burden the next one."""
    os.environ["NEURAL_SEARCH"] = str(search).lower()  # the worker inherits it
    idle_before = round(idle_share(), 2)
    with override_settings(NEURAL={**settings.NEURAL, "search": search}):
        submit_all(sales_report(source, each) for each in range(events))
        rate = drain_rate()
    indexed = events - OutboxEntry.objects.count() if search else 0
    OutboxEntry.objects.all().delete()
    return {"per_second": round(rate), "indexed_meanwhile": indexed, "idle_before": idle_before}


def _spread(values: list[float], digits: int) -> dict[str, float]:
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits or None) for name, value in named.items()}


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
