"""Compares the grown ledger with an empty one: steps in turn, ratios of neighbours, a verdict."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from celery import current_app

from benchmarks.growth.database import COPY, EMPTY
from benchmarks.growth.ledger import analyze, empty, execute, ledger
from benchmarks.growth.measuring import STEPS
from benchmarks.growth.processor import both_seconds
from benchmarks.machine import idle_share

TOLERANCE = 0.20
Round = dict[str, float]


def compare(repeats: int) -> dict[str, Any]:
    """Measure the copy and the empty ledger in turn; the first round of each is a warm-up."""
    with ledger(EMPTY):
        empty()
    idle = idle_share()
    first = _round(0)
    for name in (EMPTY, COPY):
        with ledger(name):
            analyze()  # an empty table has no statistics, but a ledger in use always has some
    rounds = [_round(place) for place in range(1, repeats + 1)]
    return {
        "idle_before": round(idle, 2),
        "figures": {what: _compared(what, rounds, first) for what in STEPS},
    }


def _round(place: int) -> dict[str, Round]:
    """Run each step on one ledger and then on the other; the order changes from round to round."""
    figures: dict[str, Round] = {EMPTY: {}, COPY: {}}
    for what, step in STEPS.items():
        for name in sorted(figures, reverse=place % 2 == 0):
            with ledger(name):
                execute("SELECT 1")  # connects
                began = both_seconds()
                figures[name][what] = step(place)
                figures[name][_processor(what)] = both_seconds() - began
    current_app.control.purge()
    return figures


def _compared(what: str, rounds: Sequence[dict[str, Round]], first: dict[str, Round]) -> Any:
    before, grown = ([each[name][what] for each in rounds] for name in (EMPTY, COPY))
    ratios = [one / other for one, other in zip(grown, before, strict=True)]
    return {
        "empty": _spread(before),
        "grown": {**_spread(grown), "first_touch": _rounded(first[COPY][what])},
        "grown_to_empty": round(median(ratios), 2),
        "processor_time_grown_to_empty": _ratio_of_processor_time(what, rounds),
        "grown_to_empty_each": [round(ratio, 2) for ratio in ratios],
        "within_20_percent": _holds(what, median(ratios)),
    }


def _processor(what: str) -> str:
    return f"{what} processor seconds"


def _ratio_of_processor_time(what: str, rounds: Sequence[dict[str, Round]]) -> float:
    """The ratio of processor time for the same work, which the machine's load hardly affects."""
    name = _processor(what)
    return round(median(each[COPY][name] / each[EMPTY][name] for each in rounds), 2)


def _holds(what: str, ratio: float) -> bool:
    """Whether the ratio is within the tolerance: a duration may not grow, a rate may not fall."""
    return ratio <= 1 + TOLERANCE if what.endswith("_ms") else ratio >= 1 - TOLERANCE


def _spread(values: Sequence[float]) -> dict[str, float]:
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: _rounded(value) for name, value in named.items()}


def _rounded(value: float) -> float:
    return round(value) if value >= 100 else round(value, 2)
