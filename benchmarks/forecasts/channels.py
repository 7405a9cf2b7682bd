"""What channels are worth: ``python -m benchmarks.forecasts.channels``.

No public data set of restaurants' sales states channels. So the deliveries here are **made up** and
added to the real sales of the bakery chain, which stand for sales in the store: in a third of the
shops deliveries grow, in a third they are steady, in a third there are none. Every window is
forecast twice, with the channels known and with the same sales without them. Prints JSON: WAPE by
kind of shop.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import replace

import numpy as np

from benchmarks.forecasts import datasets
from benchmarks.forecasts.methods import METHODS, Settings, Window
from benchmarks.forecasts.windows import between, origins, task
from neural.forecasting.core.series import CHANNELS, Sales

KINDS = ("growing", "steady", "none")
DAYS, HISTORY, WINDOWS = 200, 120, 4
CHOSEN = ("FedProx, personal", "blend", "a round, as shipped")
OFTEN = (0.2, 0.8, 1.8)
"""How often each of three dishes is delivered, for an average dish; in another order in each
shop."""
WEEK = np.array([0.95, 0.95, 0.95, 1.0, 1.1, 1.1, 0.95])
"""Deliveries by weekday, which differ less than guests in the shop."""


def made_up(seed: int) -> dict[str, Sales]:
    """The bakery's shops in their last days, with made-up deliveries; by kind and shop."""
    dice = np.random.default_rng(seed)
    found = {}
    for place, (shop, sales) in enumerate(sorted(datasets.load("bakery").items())):
        kind = KINDS[place % len(KINDS)]
        known = between(sales, sales.days - DAYS, sales.days)
        found[f"{kind} {shop}"] = _with_deliveries(known, _demand(kind, dice), dice)
    return found


def _demand(kind: str, dice: np.random.Generator) -> np.ndarray:
    """(days,): deliveries for what the shop usually sells."""
    if kind == "none":
        return np.zeros(DAYS)
    if kind == "steady":
        return np.full(DAYS, dice.uniform(0.15, 0.5))
    begin, end = dice.uniform(0.03, 0.15), dice.uniform(0.5, 1.2)
    middle, width = dice.uniform(60, DAYS - 10), dice.uniform(12, 30)
    grown = 1 / (1 + np.exp(-(np.arange(DAYS) - middle) / width))
    return begin + (end - begin) * grown


def _with_deliveries(sales: Sales, demand: np.ndarray, dice: np.random.Generator) -> Sales:
    in_store = sales.quantities
    days, dishes = in_store.shape
    week = WEEK[(sales.first_day.weekday() + np.arange(days)) % 7]
    of_dish = np.nanmean(in_store, axis=0) * dice.permutation(OFTEN)[:dishes]
    of_day = demand * week * np.exp(dice.normal(0, 0.12, days))
    mean = of_day[:, None] * of_dish * np.exp(dice.normal(0, 0.1, in_store.shape))
    delivered = np.where(np.isfinite(in_store), dice.poisson(mean).astype(float), 0.0)
    channels = np.zeros((len(CHANNELS), days, dishes))
    channels[CHANNELS.index("dine_in")] = np.nan_to_num(in_store)
    channels[CHANNELS.index("delivery")] = delivered
    return replace(sales, quantities=in_store + delivered, channels=channels)


def measured(stores: dict[str, Sales], kind: str, windows: int) -> dict[str, dict[str, float]]:
    """WAPE by method and kind of shop, over all windows."""
    wrong: defaultdict[tuple[str, str], float] = defaultdict(float)
    demand: defaultdict[tuple[str, str], float] = defaultdict(float)
    for origin in origins(DAYS, windows=windows):
        window = Window(task(stores, origin=origin, history=HISTORY, kind=kind), Settings())
        for name in CHOSEN:
            for shop, forecast in METHODS[name](window).items():
                target, of = window.task.test[shop].target, (name, shop.split()[0])
                wrong[of] += float(np.abs(forecast - target).sum())
                demand[of] += float(target.sum())
        print(f"{kind}: origin {origin} of {DAYS} days", file=sys.stderr, flush=True)
    table: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for (name, of), error in wrong.items():
        table[name][of] = round(error / demand[name, of], 4)
    return dict(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.forecasts.channels")
    parser.add_argument("--seed", type=int, default=0, help="of the made-up deliveries")
    parser.add_argument("--horizon", choices=["h1", "14d"], default="14d")
    parser.add_argument("--windows", type=int, default=WINDOWS, help="of 14 days")
    chosen = parser.parse_args()
    try:
        known = made_up(chosen.seed)
    except datasets.DataAbsent as absent:
        print(f"skipped: {absent}", file=sys.stderr)
        return
    unknown = {name: replace(sales, channels=None) for name, sales in known.items()}
    told = {
        "data": "bakery, with made-up deliveries",
        "seed": chosen.seed,
        "horizon": chosen.horizon,
        "windows": chosen.windows,
        "without channels": measured(unknown, chosen.horizon, chosen.windows),
        "with channels": measured(known, chosen.horizon, chosen.windows),
    }
    print(json.dumps(told, indent=1, ensure_ascii=False))


if __name__ == "__main__":
    main()
