"""The steps of a round: what a submitter, a relay and a worker do all day."""

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from celery import current_app

import neural
from benchmarks.growth.growing import EVENT_TASK
from benchmarks.growth.ledger import STORES, Figure, execute, middle, rows, timed
from neural.broker.publisher import Publisher
from neural.events.registry import atomic_handler_names
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim
from neural.ledger.outcome import succeeded
from neural.ledger.settle import settle
from neural.ledger.work import Clock
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


def first_place() -> int:
    """The first place of a round that has not been measured in this database before."""
    ((last,),) = rows("SELECT max(day) FROM neural_salesreport")
    return 0 if last is None else (last - FIRST_DAY).days // DAYS_A_ROUND + 1


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


def _drain_all() -> Figure:
    return timed(drain, units=SINGLE + KEPT - 2 * CLAIMS * BATCH)


def _submit_each(place: int) -> Figure:
    singles = reports(place, 0, SINGLE)
    return timed(lambda: submit(singles), units=SINGLE)


def _submit_many(place: int) -> Figure:
    many = reports(place, SINGLE, SINGLE + MANY)
    figure = timed(lambda: submit_many(many), units=MANY)
    finish_newest(MANY - KEPT)
    return figure


def _looks(unpublished: int) -> Figure:
    return middle(_look(unpublished=unpublished) for _ in range(LOOKS))


STEPS: dict[str, Callable[[int], Figure]] = {
    "submit, one by one, an event": _submit_each,
    "submit_many, an event": _submit_many,
    "relay, nothing unpublished": lambda place: _looks(0),
    "relay, 200 unpublished": lambda place: _looks(UNPUBLISHED),
    "claim of 50": lambda place: middle(claim_figure(settle_now) for _ in range(CLAIMS)),
    "settle of 50": lambda place: middle(_settle_figure() for _ in range(CLAIMS)),
    "drain, a run": lambda place: _drain_all(),
}
"""The steps of a round: submit reports on days of their own, look for unpublished runs, claim and
settle some, drain the rest."""


def leave_backlog() -> None:
    """Submit the runs of a round and leave them waiting, some of them unpublished."""
    submit_many(reports(first_place(), 0, SINGLE + KEPT))
    _unpublish(UNPUBLISHED)


def _look(*, unpublished: int) -> Figure:
    """One turn of the relay while 2,500 runs wait, of which ``unpublished`` are unpublished."""
    if unpublished:
        _unpublish(unpublished)
    return relay_figure(unpublished=unpublished)


def relay_figure(*, unpublished: int = UNPUBLISHED) -> Figure:
    """One turn of the relay, which publishes ``unpublished`` runs."""
    published: list[int] = []
    figure = timed(lambda: published.append(publish_unpublished(SilentPublisher())))
    if published != [unpublished]:
        raise RuntimeError(f"the relay published {published} runs, not {unpublished}")
    return figure


def _unpublish(number: int) -> None:
    waiting = TaskRun.objects.filter(state=RunState.PENDING, queue=DEFAULT_QUEUE)
    keys = waiting.order_by("available_at").values_list("pk", flat=True)[:number]
    execute(
        "UPDATE neural_taskrun SET publish_at = statement_timestamp() WHERE id = ANY(%s)",
        [list(keys)],
    )


def claim_figure(then: Callable[[Sequence[TaskRun]], object] = len) -> Figure:
    """One worker's claim. ``then`` gets the runs, outside of the measured time."""
    task_id, runs = _oldest(), []
    figure = timed(lambda: runs.extend(_claim(task_id)))
    if len(runs) != BATCH:
        raise RuntimeError(f"{len(runs)} runs were claimed, not {BATCH}")
    then(runs)
    return figure


def settle_now(runs: Sequence[TaskRun]) -> None:
    """Record that these claimed runs have succeeded, without executing them."""
    clock = Clock.of(runs[0])
    settle([succeeded(run, None, clock.now(), clock) for run in runs])


def _settle_figure() -> Figure:
    found: list[Figure] = []
    claim_figure(lambda runs: found.append(timed(lambda: settle_now(runs))))
    return found[0]


def drain(queue: str = DEFAULT_QUEUE) -> None:
    """Claim and execute what is due on this queue, until nothing is."""
    while runs := _claim("", queue):
        _run(runs)


def _oldest() -> str:
    waiting = TaskRun.objects.due().filter(queue=DEFAULT_QUEUE).order_by("available_at")
    return waiting.values_list("task_id", flat=True)[0]


def _claim(task_id: str, queue: str = DEFAULT_QUEUE) -> list[TaskRun]:
    names = atomic_handler_names()
    return claim(task_id=task_id, claimant=Claimant(), queue=queue, batchable=names, limit=BATCH)


def _run(runs: Sequence[TaskRun]) -> None:
    source: Any = current_app.tasks[EVENT_TASK]
    run_claimed(source, runs)
