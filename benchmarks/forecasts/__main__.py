"""Forecast quality on real sales: ``python -m benchmarks.forecasts --data bakery``.

The origin rolls: at each origin every method learns from what is known then, and forecasts the next
14 days. ``h1`` forecasts each of them one day ahead, ``14d`` all of them from the origin. Settings
were chosen on earlier windows than those reported. Prints JSON; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.forecasts import datasets
from benchmarks.forecasts.methods import METHODS, Method, Settings, Window
from benchmarks.forecasts.windows import (
    Residuals,
    added,
    banded,
    by_horizon,
    origins,
    residuals,
    scored,
    task,
)
from neural.forecasting.core.evaluation import BAND_SUMS, Sums, figures
from neural.forecasting.core.series import Sales

BANDED = "blend"
SERVED = "as served"
"""Made from the origin alone, so there is none of h1; it has the bands of the stored rows."""
MEASURED_AGAINST = "pooled LightGBM"


def measured(
    stores: dict[str, Sales],
    *,
    history: int,
    windows: int,
    skipped: int,
    kind: str,
    methods: dict[str, Method],
) -> dict[str, dict[str, Any]]:
    """Figures by method, over all windows."""
    methods = {name: each for name, each in methods.items() if kind == "14d" or name != SERVED}
    sums: dict[str, list[Sums]] = {name: [] for name in methods}
    buckets: dict[str, list[Sums]] = {}
    seconds = dict.fromkeys(methods, 0.0)
    earlier: Residuals = []
    days = next(iter(stores.values())).days
    for origin in origins(days, windows=windows, skipped=skipped):
        window = Window(task(stores, origin=origin, history=history, kind=kind), Settings())
        for name, method in methods.items():
            began = time.perf_counter()
            forecasts = method(window)
            seconds[name] += time.perf_counter() - began
            found = scored(window.task, forecasts)
            if name == BANDED:
                found |= banded(window.task, forecasts, earlier) if earlier else {}
                earlier += residuals(window.task, forecasts)
            if name == SERVED:
                for bucket, part in by_horizon(window.task, window.served).items():
                    found |= {each: found.get(each, 0.0) + part[each] for each in BAND_SUMS}
                    buckets.setdefault(bucket, []).append(part)
            sums[name].append(found)
        print(f"{kind}: origin {origin} of {days} days", file=sys.stderr, flush=True)
    table: dict[str, dict[str, Any]] = {
        name: {**rounded(added(sums[name])), "seconds": round(seconds[name], 1)} for name in methods
    }
    for bucket, parts in buckets.items():
        of_bucket = rounded(added(parts))
        table[SERVED][bucket] = {each: of_bucket[each] for each in ("wape", "bias", "coverage")}
    return table


def rounded(sums: Sums) -> dict[str, Any]:
    """The figures of these sums, for people."""
    return {name: value and round(value, 4) for name, value in figures(sums).items()}


def with_ratios(table: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The table, with each WAPE divided by that of the same run's pooled trees."""
    best = table[MEASURED_AGAINST]["wape"]
    for row in table.values():
        row["ratio"] = round(row["wape"] / best, 4) if best and row["wape"] is not None else None
    return table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasts", description=__doc__)
    parser.add_argument("--data", default="bakery", help=datasets.load.__doc__)
    parser.add_argument("--history", type=int, default=365, help="days known at an origin, at most")
    parser.add_argument("--windows", type=int, help="of 14 days (default: as many as suit)")
    parser.add_argument("--skip", type=int, default=0, help="newest windows that are left out")
    parser.add_argument("--horizon", choices=["h1", "14d", "both"], default="both")
    parser.add_argument("--country", default="", help="whose holidays a file's stores have: CN, …")
    parser.add_argument(
        "--only", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD",
        help="only these, and pooled LightGBM",
    )  # fmt: skip
    chosen = parser.parse_args()
    methods = {n: m for n, m in METHODS.items() if n in chosen.only or n == MEASURED_AGAINST}
    try:
        stores = datasets.load(chosen.data, country=chosen.country)
    except datasets.DataAbsent as absent:
        print(f"skipped: {absent}", file=sys.stderr)
        return
    windows = chosen.windows or _windows(next(iter(stores.values())).days)
    kinds = ["h1", "14d"] if chosen.horizon == "both" else [chosen.horizon]
    told: dict[str, Any] = {
        "data": chosen.data, "stores": len(stores), "history": chosen.history, "windows": windows
    }  # fmt: skip
    for kind in kinds:
        told[kind] = with_ratios(
            measured(
                stores,
                history=chosen.history,
                windows=windows,
                skipped=chosen.skip,
                kind=kind,
                methods=methods,
            )
        )
    print(json.dumps(told, indent=1, ensure_ascii=False))


def _windows(days: int) -> int:
    """Eight windows, or as many as leave half of the days to learn from; at least one."""
    return max(min(8, days // 2 // 14), 1)


if __name__ == "__main__":
    main()
