"""Measures one database, the one of the environment; `first_figures` calls it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db.models import Max, Min  # noqa: E402

import neural  # noqa: E402
from neural.models import RunState, TaskRun  # noqa: E402

HIGH = ("high", "high_priority", 1)
ALL = ("all", "high_priority,default,low_priority", 2)
REPEATS = 5


def main(events: int, low: int, urgent: int) -> None:
    call_command("migrate", verbosity=0)
    figures = {
        "single_submit_per_second": _repeated(lambda place: _submit_rate(place, events // REPEATS)),
        "single_drain_per_second": _drain_rate(),
        "submit_many_per_second": _repeated(lambda place: _bulk_rate(place, events // REPEATS * 2)),
        "bulk_drain_per_second": _drain_rate(),
        "urgent_wait_ms": _urgent_wait(low, urgent),
    }
    json.dump(figures, sys.stdout)


def _repeated(measure: Callable[[int], float]) -> dict[str, float]:
    rates = sorted(measure(place) for place in range(REPEATS))
    return {"median": round(rates[REPEATS // 2]), "min": round(rates[0]), "max": round(rates[-1])}


def _report(source: str, number: int) -> dict[str, Any]:
    """A day's sales of three products, as a shop reports them."""
    lines = [{"dish": f"dish-{place}", "quantity": number % 90 + place} for place in range(3)]
    day = f"20{number % 20 + 10}-{number % 12 + 1:02}-{number % 28 + 1:02}"
    payload = {"day": day, "lines": lines}
    store = f"bench-{number % 100}"
    event_id = f"{source}-{number}"
    return {
        "type": "sales.reported",
        "store": store,
        "source": "bench",
        "event_id": event_id,
        "payload": payload,
    }


def _submit_rate(place: int, number: int) -> float:
    started = time.perf_counter()
    for each in range(number):
        neural.submit(**_report(f"single{place}", each)).or_raise()
    return number / (time.perf_counter() - started)


def _bulk_rate(place: int, number: int) -> float:
    started = time.perf_counter()
    for answer in neural.submit_many(_report(f"bulk{place}", each) for each in range(number)):
        answer.or_raise()
    return number / (time.perf_counter() - started)


def _drain_rate() -> int:
    """Runs a second from the first start to the last end, by two processes of one worker."""
    first = TaskRun.objects.filter(state=RunState.PENDING).aggregate(Min("pk"))["pk__min"]
    with _workers(ALL):
        while TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING)).exists():
            time.sleep(0.2)
    runs = TaskRun.objects.filter(pk__gte=first, state=RunState.SUCCEEDED)
    times = runs.aggregate(Min("started_at"), Max("finished_at"))
    seconds = (times["finished_at__max"] - times["started_at__min"]).total_seconds()
    return round(runs.count() / seconds)


def _urgent_wait(low: int, urgent: int) -> dict[str, float]:
    """From due to started, of urgent events that arrive while low runs of 20 ms are worked on."""
    _submit("bench.low", "low", low, milliseconds=20, many=True)
    with _workers(HIGH, ALL):
        while not TaskRun.objects.filter(queue="low_priority", state=RunState.RUNNING).exists():
            time.sleep(0.05)
        time.sleep(3)
        for number in range(urgent):
            _submit("bench.urgent", f"urgent{number}", 1, milliseconds=0)
            time.sleep(0.05)
        _wait_for_urgent()
        left = TaskRun.objects.filter(queue="low_priority", state=RunState.PENDING).count()
    return {**_percentiles(), "low_runs_left_at_the_end": left}


def _submit(kind: str, prefix: str, number: int, *, milliseconds: int, many: bool = False) -> None:
    payload = {"milliseconds": milliseconds}
    common = {"type": kind, "store": "bench-0", "source": "bench", "payload": payload}
    for answer in neural.submit_many(
        {**common, "event_id": f"{prefix}-{each}"} for each in range(number)
    ):
        answer.or_raise()


def _wait_for_urgent() -> None:
    waiting = TaskRun.objects.filter(queue="high_priority").exclude(state=RunState.SUCCEEDED)
    while waiting.exists():
        time.sleep(0.1)


def _percentiles() -> dict[str, float]:
    runs = TaskRun.objects.filter(queue="high_priority", event__type="bench.urgent")
    times = runs.values_list("available_at", "started_at")
    waits = sorted((started - due).total_seconds() * 1000 for due, started in times if started)
    at = {f"p{share}": waits[min(len(waits) - 1, len(waits) * share // 100)] for share in (50, 99)}
    return {name: round(value, 1) for name, value in (*at.items(), ("max", waits[-1]))}


@contextlib.contextmanager
def _workers(*kinds: tuple[str, str, int]) -> Iterator[None]:
    started = [_worker(*kind) for kind in kinds]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _worker(name: str, queues: str, concurrency: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "worker", "--name", name, "--queues", queues]
    return subprocess.Popen([*command, "--concurrency", str(concurrency)], stdout=sys.stderr)


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
