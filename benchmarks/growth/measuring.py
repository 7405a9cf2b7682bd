"""The steps of a round: what a submitter, a relay and a worker do all day."""

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from celery import current_app

import neural
from benchmarks.growth.growing import EVENT_TASK
from benchmarks.growth.ledger import STORES, execute
from neural.broker.publisher import Publisher
from neural.events.registry import atomic_handler_names
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.models import RunState, TaskRun
from neural.queues import DEFAULT_QUEUE
from neural.worker.relay import publish_unpublished

FIRST_DAY = dt.date(2030, 1, 1)
DAYS_A_ROUND = 100


def reports(place: int, first: int, last: int) -> list[dict[str, Any]]:
    """Some reports of one round; no two rounds report the same day."""
    return [_report(place, number) for number in range(first, last)]


def _report(place: int, number: int) -> dict[str, Any]:
    day = FIRST_DAY + dt.timedelta(days=DAYS_A_ROUND * place + number // STORES)
    store = f"S{number % STORES:03}"
    lines = [{"dish": f"dish-{each}", "quantity": number % 90 + each} for each in range(3)]
    return {
        "type": "sales.reported",
        "store": store,
        "source": "till",
        "event_id": f"{store}-{day}",
        "payload": {"day": day.isoformat(), "lines": lines},
    }


def finish_newest(number: int) -> None:
    """Mark ``number`` waiting runs as finished, so that they are out of the way."""
    execute(
        "UPDATE neural_taskrun SET state = 'succeeded', finished_at = now() WHERE id IN "
        "(SELECT id FROM neural_taskrun WHERE state = 'pending' ORDER BY id DESC LIMIT %s)",
        [number],
    )


def submit(each: Sequence[dict[str, Any]]) -> None:
    for report in each:
        neural.submit(**report).or_raise()


def submit_many(each: Sequence[dict[str, Any]]) -> None:
    for answer in neural.submit_many(each):
        answer.or_raise()


SINGLE, MANY, KEPT = 500, 8000, 2000
BATCH, CLAIMS = 50, 10
UNPUBLISHED, LOOKS = 200, 20


class SilentPublisher(Publisher):
    """Accepts every message and sends none, so that only the relay's own queries remain."""

    def depths(self, queues: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(queues, 0)

    def publish(self, messages: Iterable[Any]) -> int:
        return len(list(messages))


def _submit_rate(place: int) -> float:
    singles = reports(place, 0, SINGLE)
    return SINGLE / _seconds(lambda: submit(singles))


def _submit_many_rate(place: int) -> float:
    many = reports(place, SINGLE, SINGLE + MANY)
    seconds = _seconds(lambda: submit_many(many))
    finish_newest(MANY - KEPT)
    return MANY / seconds


def _drain_rate(place: int) -> float:
    return (SINGLE + KEPT - CLAIMS * BATCH) / _seconds(_drain)


STEPS: dict[str, Callable[[int], float]] = {
    "submit_per_second": _submit_rate,
    "submit_many_per_second": _submit_many_rate,
    "relay_idle_ms": lambda place: 1000 * median(_look(unpublished=0) for _ in range(LOOKS)),
    "relay_unpublished_ms": lambda place: (
        1000 * median(_look(unpublished=UNPUBLISHED) for _ in range(LOOKS))
    ),
    "claim_ms": lambda place: 1000 * median(claim_seconds(_run) for _ in range(CLAIMS)),
    "drain_per_second": _drain_rate,
}
"""The steps of a round: submit reports on days of their own, look for unpublished runs, claim some,
drain the rest."""


def leave_backlog() -> None:
    """Submit the runs of a round and leave them waiting, some of them unpublished."""
    submit_many(reports(0, 0, SINGLE + KEPT))
    _unpublish(UNPUBLISHED)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _look(*, unpublished: int) -> float:
    """One turn of the relay while 2,500 runs wait, of which ``unpublished`` are unpublished."""
    if unpublished:
        _unpublish(unpublished)
    return relay_seconds(unpublished=unpublished)


def relay_seconds(*, unpublished: int = UNPUBLISHED) -> float:
    """Seconds of one turn of the relay, which publishes ``unpublished`` runs."""
    began = time.perf_counter()
    published = publish_unpublished(SilentPublisher())
    seconds = time.perf_counter() - began
    if published != unpublished:
        raise RuntimeError(f"the relay published {published} runs, not {unpublished}")
    return seconds


def _unpublish(number: int) -> None:
    waiting = TaskRun.objects.filter(state=RunState.PENDING, queue=DEFAULT_QUEUE)
    keys = waiting.order_by("available_at").values_list("pk", flat=True)[:number]
    execute(
        "UPDATE neural_taskrun SET publish_at = statement_timestamp() WHERE id = ANY(%s)",
        [list(keys)],
    )


def claim_seconds(then: Callable[[Sequence[TaskRun]], object] = len) -> float:
    """Seconds of one worker's claim. ``then`` gets the runs, outside of the measured time."""
    task_id = _oldest()
    began = time.perf_counter()
    runs = _claim(task_id)
    seconds = time.perf_counter() - began
    if len(runs) != BATCH:
        raise RuntimeError(f"{len(runs)} runs were claimed, not {BATCH}")
    then(runs)
    return seconds


def _drain() -> None:
    while runs := _claim(""):
        _run(runs)


def _oldest() -> str:
    waiting = TaskRun.objects.due().filter(queue=DEFAULT_QUEUE).order_by("available_at")
    return waiting.values_list("task_id", flat=True)[0]


def _claim(task_id: str) -> list[TaskRun]:
    names = atomic_handler_names()
    return claim(
        task_id=task_id, claimant=Claimant(), queue=DEFAULT_QUEUE, batchable=names, limit=BATCH
    )


def _run(runs: Sequence[TaskRun]) -> None:
    source: Any = current_app.tasks[EVENT_TASK]
    run_claimed(source, runs)
