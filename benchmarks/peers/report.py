"""Computes medians and ratios, and formats the table."""

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from benchmarks.peers.systems import FIGURES, NEURAL

Rates = dict[str, dict[str, float]]
"""The rates of one repeat, by system and figure."""
Spread = dict[str, float]


def summary(repeats: Sequence[Rates]) -> dict[str, Any]:
    """For each figure, the systems' rates and Neural's ratio to each peer."""
    return {
        figure: {
            "per_second": {
                name: spread(rates[name][figure] for rates in repeats)
                for name in repeats[0]
                if figure in repeats[0][name]
            },
            "neural_is_times": {
                name: spread(rates[NEURAL.name][figure] / rates[name][figure] for rates in repeats)
                for name in repeats[0]
                if figure in repeats[0][name] and name != NEURAL.name
            },
        }
        for figure in FIGURES
    }


def spread(values: Iterable[float]) -> Spread:
    """Median, minimum and maximum."""
    given = list(values)
    return {"median": median(given), "min": min(given), "max": max(given)}


def table(figures: dict[str, Any]) -> str:
    """The summary as a Markdown table, with a row for each figure and system."""
    rows = [
        ("figure", "system", "events/s: median (min–max)", "Neural is … times: median (min–max)"),
        ("---", "---", "---", "---"),
    ]
    for figure, both in figures.items():
        for name, rates in both["per_second"].items():
            ratio = both["neural_is_times"].get(name)
            rows.append((figure, name, _text(rates, ",.0f"), _text(ratio, ".2f") if ratio else ""))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return "\n".join(_line(row, widths) for row in rows)


def _text(values: Spread, form: str) -> str:
    return f"{values['median']:{form}} ({values['min']:{form}}–{values['max']:{form}})"


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    filler = "-" if row[0] == "---" else " "
    return (
        "| "
        + " | ".join(f"{text:{filler}<{width}}" for text, width in zip(row, widths, strict=True))
        + " |"
    )
