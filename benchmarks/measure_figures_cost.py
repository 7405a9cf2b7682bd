"""Measures the database of the environment; `figures_cost` runs this module."""

import datetime as dt
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest import mock

import django

django.setup()

from celery import current_app  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.utils import timezone  # noqa: E402

from benchmarks.load.events import sales_report, submit_all  # noqa: E402
from benchmarks.machine import idle_share  # noqa: E402
from neural.events.recording import EVENT_TASK  # noqa: E402
from neural.events.registry import atomic_handler_names  # noqa: E402
from neural.ledger import ports  # noqa: E402
from neural.ledger.batch import run_claimed  # noqa: E402
from neural.ledger.claim import Claimant, claim  # noqa: E402
from neural.models import RunState, TaskRun  # noqa: E402
from neural.monitoring.models import TotalFigures  # noqa: E402
from neural.monitoring.rollups import folding, marks, reading  # noqa: E402
from neural.monitoring.rollups.tallying import TALLIES  # noqa: E402

Figures = dict[str, float]
Spent = defaultdict[str, float]
NAMES = ("seconds", "processor_seconds")


def main(events: int, batch: int, repeats: int) -> None:
    call_command("migrate", verbosity=0)
    marks.PAUSE = dt.timedelta(0)  # a relay waits between its turns; here that would count
    _fold_all()
    pairs = [_pair(number, events, batch) for number in range(repeats)]
    _check(events * repeats)
    figures = {
        "pairs": pairs,
        "with_to_without": {
            name: round(median(_ratio(pair, name) for pair in pairs), 3) for name in NAMES
        },
        "share": {
            f"{part}_{name}": round(median(_share(pair, part, name) for pair in pairs), 4)
            for part in ("tallies", "folding")
            for name in NAMES
        },
    }
    json.dump(figures, sys.stdout)


def _pair(number: int, events: int, batch: int) -> dict[str, Any]:
    """Drain once with and once without figures; which is first alternates."""
    kinds = ["with", "without"] if number % 2 else ["without", "with"]
    found: dict[str, Any] = {"idle_before": round(idle_share(), 2)}
    for kind in kinds:
        found[kind] = _drained(f"{number}-{kind}", events, batch, kind == "with")
    return found


def _drained(source: str, events: int, batch: int, figures: bool) -> Figures:
    _fold_all()
    submit_all(sales_report(source, each) for each in range(events))
    spent: Spent = defaultdict(float)
    tally = TALLIES._replace(text=_timed(TALLIES.text, spent, "tallies"))
    inserts = {"figures": tally} if figures else {}
    fold = _timed(_fold_all if figures else lambda: None, spent, "folding")
    turn = _timed(folding.fold_if_due if figures else lambda: None, spent, "folding")
    clock, processor = time.perf_counter(), time.process_time()
    with mock.patch.object(ports, "_settle_inserts", inserts):
        _drain(batch, turn)
    fold()
    seconds = {
        "seconds": time.perf_counter() - clock,
        "processor_seconds": time.process_time() - processor,
    }
    return {name: round(each, 4) for name, each in {**seconds, **spent}.items()}


def _timed(call: Callable[..., Any], spent: Spent, name: str) -> Callable[..., Any]:
    """The function, adding the seconds that each call takes to ``spent``."""

    def timed(*arguments: Any) -> Any:
        clock, processor = time.perf_counter(), time.process_time()
        answer = call(*arguments)
        spent[f"{name}_seconds"] += time.perf_counter() - clock
        spent[f"{name}_processor_seconds"] += time.process_time() - processor
        return answer

    return timed


def _drain(batch: int, turn: Callable[[], None]) -> None:
    """Run what is due, as a worker does, with a relay's turn once a second."""
    source: Any = current_app.tasks[EVENT_TASK]
    common: Any = {"claimant": Claimant(), "batchable": atomic_handler_names(), "limit": batch}
    due = TaskRun.objects.filter(state=RunState.PENDING).order_by("pk")
    waiting = list(due.values_list("task_id", "queue"))
    next_turn = time.monotonic() + 1
    for task_id, queue in waiting:
        if runs := claim(task_id=task_id, queue=queue, **common):
            run_claimed(source, runs)
        if time.monotonic() >= next_turn:
            turn()
            next_turn += 1


def _fold_all() -> None:
    """Add up everything that has been committed."""
    since = timezone.now()
    while True:
        folding.fold(as_of=timezone.now(), seconds=60)
        until = reading.counted_until()
        if until is not None and until >= since:
            return


def _check(expected: int) -> None:
    counted = sum(TotalFigures.objects.values_list("succeeded", flat=True))
    assert counted == expected, f"{counted} of {expected} runs are counted"


def _ratio(pair: dict[str, Figures], name: str) -> float:
    return pair["with"][name] / pair["without"][name]


def _share(pair: dict[str, Figures], part: str, name: str) -> float:
    return pair["with"][f"{part}_{name}"] / pair["with"][name]


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
