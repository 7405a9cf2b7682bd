"""Measures how long a night of federated training takes through real workers, and its memory.

    python -m benchmarks.nightly_round                            100 stores, everything
    python -m benchmarks.nightly_round --stores 1000 --trees 0    the linear model alone

Each store has a year of three dishes (invented: a level, a weekday, a season, chance). The round
runs in a real worker of two processes, as every night: linear model, personal weights, trees,
judging. Prints JSON: seconds, in total and by phase, and the peak memory of the processes.
"""

import datetime as dt
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

from benchmarks import isolated

OPTIONS = isolated.started(
    __name__,
    __doc__,
    stores=(100, "stores that take part"),
    days=(365, "days of their demand"),
    trees=(None, "0: the linear model alone (the plan's)"),
)

import numpy as np
from django.utils import timezone

from benchmarks.machine import children, idle_share, memory_kilobytes, processor_seconds
from benchmarks.processes import ALL, workers
from neural.forecasting.models import RoundTransition, StoreUpdate, TrainingPlan, TrainingRound
from neural.models import Store, TaskRun
from neural.restaurant.models import DailyDemand
from neural.tasks import run_federated_round

LOOK_SECONDS = 0.2
PATIENCE_SECONDS = 1800


def main(stores: int, days: int, trees: int | None = None) -> None:
    make_stores(stores=stores, days=days)
    plan = TrainingPlan.objects.get(model_type="demand_forecast")
    if trees is not None:
        plan.trees = trees
        plan.save(update_fields=["trees"])
    idle_before = round(idle_share(), 2)
    with workers(ALL) as started:
        wait_for_workers()
        pool = [each for process in started for each in children(process.pid)]
        with memory_watched([process.pid for process in started]) as memory:
            busy_before, began_at = processor_seconds(pool), time.monotonic()
            run_federated_round.delay()
            training = wait_for_the_end()
            seconds = time.monotonic() - began_at
            busy = processor_seconds(pool) - busy_before
    figures = {
        "stores": stores,
        "days": days,
        "trees": plan.trees,
        "state": training.state,
        "seconds": round(seconds, 1),
        "processor_seconds": round(busy, 1),
        "exchanges": training.exchange,
        "seconds_by_state": seconds_by_state(training),
        **of_stores(training),
        **memory,
        "idle_before": idle_before,
    }
    json.dump(figures, sys.stdout)


def wait_for_workers() -> None:
    """Wait until a worker takes runs: its start is not measured."""
    from neural.tasks import analyse_demand

    first = analyse_demand.apply_async(kwargs={"store_id": "bench-0000", "since": "2200-01-01"})
    while TaskRun.objects.get(task_id=first.id).finished_at is None:
        time.sleep(LOOK_SECONDS)


def wait_for_the_end() -> TrainingRound:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < ends_at:
        training = TrainingRound.objects.defer("server_state").order_by("-pk").first()
        if training is not None and not training.is_open:
            return training
        time.sleep(LOOK_SECONDS)
    raise SystemExit("the round did not end")


def seconds_by_state(training: TrainingRound) -> dict[str, float]:
    """The total time that the round spent in each state."""
    found: dict[str, float] = {}
    rows = RoundTransition.objects.filter(round=training).order_by("pk")
    for one, other in pairwise(rows):
        found[one.to_state] = found.get(one.to_state, 0.0) + (other.at - one.at).total_seconds()
    return {state: round(seconds, 1) for state, seconds in found.items()}


def of_stores(training: TrainingRound) -> dict[str, Any]:
    updates = StoreUpdate.objects.filter(round=training)
    states = dict.fromkeys(updates.values_list("state", flat=True))
    return {
        "store_states": {state: updates.filter(state=state).count() for state in states},
    }


@contextmanager
def memory_watched(workers: list[int]) -> Iterator[dict[str, float]]:
    """The peak memory of the worker's pool processes, in MiB: of one, and of all together."""
    figures = {"largest_process_mib": 0.0, "largest_together_mib": 0.0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            sizes = [
                memory_kilobytes(each) / 1024 for worker in workers for each in children(worker)
            ]
            for name, size in zip(figures, (max(sizes, default=0), sum(sizes)), strict=True):
                figures[name] = max(figures[name], round(size, 1))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield figures
    finally:
        ended.set()
        thread.join()


# Invented demand of invented stores

DISHES = ("D1", "D2", "D3")
WEEKDAYS = np.array([0.85, 0.9, 0.95, 1.0, 1.15, 1.3, 0.85])
ROWS_AT_ONCE = 5000


def make_stores(*, stores: int, days: int) -> None:
    """Create stores with ``days`` days of demand up to yesterday; the same at every call."""
    codes = [f"bench-{number:04d}" for number in range(stores)]
    Store.objects.bulk_create(Store(code=code, confirmed=True) for code in codes)
    rows = (row for number, code in enumerate(codes) for row in _of_store(number, code, days))
    DailyDemand.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)


def _of_store(number: int, code: str, days: int) -> Iterator[DailyDemand]:
    dice = np.random.default_rng(number)
    today = timezone.localdate()
    first = today - dt.timedelta(days=days)
    dates = [first + dt.timedelta(days=each) for each in range(days)]
    season = 1 + 0.2 * np.sin(2 * np.pi * (np.arange(days) / 365 + dice.random()))
    week = WEEKDAYS[[day.weekday() for day in dates]] ** dice.uniform(0.5, 1.5)
    for dish in DISHES:
        level = dice.gamma(3, 15)
        drift = np.exp(np.cumsum(dice.normal(0, 0.02, days)) * 0.3)
        sold = dice.poisson(level * season * week * drift * dice.gamma(30, 1 / 30, days))
        for day, quantity in zip(dates, sold, strict=True):
            yield DailyDemand(store_id=code, day=day, dish=dish, reported_quantity=int(quantity))


if __name__ == "__main__":
    main(OPTIONS.stores, OPTIONS.days, OPTIONS.trees)
