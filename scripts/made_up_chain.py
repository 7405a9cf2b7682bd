"""Two hours of a chain of eight stores, made up for pictures: see screenshots.py.

Rows are written with times in the past; relays add them up as they would have then.
"""

import datetime as dt
import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from neural.events.registry import handlers_of
from neural.events.types import event_type
from neural.ledger.outcome import Outcome
from neural.models import (
    AttemptOutcome,
    NeuralEvent,
    RunState,
    Store,
    TaskAttempt,
    TaskRun,
    WorkerProcess,
)
from neural.monitoring.models import Alert, ReadMark, Tally
from neural.monitoring.rollups.tallying import tally_of
from neural.queues.pausing import pause
from neural.schedules.runs import run_id

MINUTES = 120
STORES = {
    "SH-01": "Jing'an", "SH-02": "Xujiahui", "SH-03": "Hongqiao", "HZ-01": "West Lake",
    "HZ-02": "Binjiang", "SZ-01": "Guanqian", "NJ-01": "Xinjiekou", "NJ-02": "Hexi",
}  # fmt: skip
SHARES = {
    "order.created": 40, "payment.completed": 34, "order.status_changed": 14,
    "inventory.updated": 8, "sales.reported": 4,
}  # fmt: skip
"""How many of a hundred events are of each type."""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with a share of the events of a type."""

    type: str
    share: float
    error: str
    path: str
    function: str
    line: str
    is_final: bool = False
    """Whether its runs end as dead letters."""
    stores: tuple[str, ...] = tuple(STORES)
    last_minutes: int = MINUTES

    def traceback(self, number: int) -> str:
        """A traceback like Python's."""
        return f"Traceback (most recent call last):\n{self.frame(number)}{self.error}\n"

    def frame(self, number: int) -> str:
        """The frame of own code in it."""
        place = f'  File "/srv/chain/{self.path}", line {number}, in {self.function}'
        return f"{place}\n    {self.line}\n"

    def facts(self, number: int) -> dict[str, str]:
        """The facts of the exception, as the ledger stores them."""
        module = self.path.removesuffix(".py").replace("/", ".")
        kind = self.error.partition(":")[0]
        place = f"{module}.{self.function}"
        return {"type": kind, "place": place, "frame": self.frame(number)}


FAULTS = (
    Fault(
        type="payment.completed",
        share=0.05,
        error="TimeoutError: the bank did not answer within 5 s",
        path="payments/bank.py",
        function="confirm",
        line="reply = client.confirm(payment)",
        last_minutes=50,
    ),
    Fault(
        type="inventory.updated",
        share=0.06,
        error="ValueError: unknown unit 'jin' for oolong tea",
        path="stock/units.py",
        function="to_grams",
        line="raise ValueError(message)",
        is_final=True,
        stores=("HZ-01", "HZ-02"),
    ),
    Fault(
        type="sales.reported",
        share=0.08,
        error="KeyError: 'till'",
        path="reports/daily.py",
        function="add_up",
        line='sums[line["till"]] += line["revenue"]',
        is_final=True,
        stores=("NJ-02",),
    ),
)


def is_awaited() -> bool:
    """Whether relays have begun to read the ledger: what was there before, they do not count. The
    mark of failed attempts is made with the first one."""
    return ReadMark.objects.count() >= 3


def make(*, now: dt.datetime) -> None:
    """Write the last two hours before ``now``."""
    chance = random.Random(14)
    for code, name in STORES.items():
        Store.objects.create(code=code, name=name, confirmed=True, time_zone="Asia/Shanghai")
    work = [_Work(chance, at) for at in _moments(chance, now)]
    NeuralEvent.objects.bulk_create([each.event for each in work], batch_size=200)
    TaskRun.objects.bulk_create([each.run for each in work], batch_size=200)
    attempts = [attempt for each in work for attempt in each.attempts]
    TaskAttempt.objects.bulk_create(attempts, batch_size=200)
    outcomes = [outcome for each in work for outcome in each.outcomes]
    Tally.objects.bulk_create(_tallies(outcomes), batch_size=200)
    _nights(now)
    _people(now)


def take_on() -> None:
    """Somebody has taken on one of the alerts."""
    first = Alert.objects.open().order_by("pk").first()
    if first:
        first.acknowledge("mei", now=timezone.now())


def session() -> str:
    """The session of somebody who may see everything."""
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("lin"))
    return client.cookies["sessionid"].value


def _moments(chance: random.Random, now: dt.datetime) -> Iterator[dt.datetime]:
    """When events came: more of them around the middle, as at noon."""
    for minute in range(MINUTES, 0, -1):
        rate = 26 + 18 * math.sin(math.pi * minute / MINUTES) + chance.uniform(-5, 5)
        start = now - dt.timedelta(minutes=minute)
        yield from sorted(
            start + dt.timedelta(seconds=chance.uniform(0, 59)) for _ in range(round(rate))
        )


class _Work:
    """An event, its run and how that went."""

    numbers = iter(range(1, 1_000_000))

    def __init__(self, chance: random.Random, at: dt.datetime) -> None:
        number = next(self.numbers)
        kind = chance.choices([*SHARES], [*SHARES.values()])[0]
        store = chance.choice([*STORES])
        queue = event_type(kind).queue
        wait = chance.lognormvariate(-3.2, 0.8) * (1 if queue == "high_priority" else 6)
        took = dt.timedelta(seconds=chance.lognormvariate(-3.5, 0.6))
        begin = at + dt.timedelta(seconds=wait)
        self.event = NeuralEvent(
            store_id=store,
            source="till",
            event_id=f"{store}-{number}",
            type=kind,
            payload={"order_id": f"A-{number}"},
            content_hash="0" * 32,
            occurred_at=at,
            recorded_at=at,
        )
        self.run = TaskRun(
            event=self.event,
            store_id=store,
            task="neural.tasks.run_handler",
            task_id=f"made-up-{number}",
            handler=handlers_of(kind)[0].name,
            queue=queue,
            state=RunState.SUCCEEDED,
            created_at=at,
            available_at=at,
            publish_at=at,
            started_at=begin,
            finished_at=begin + took,
        )
        self.outcomes: list[Outcome] = []
        self.attempts: list[TaskAttempt] = []
        fault = _fault(chance, kind, store, at)
        if fault:
            self._fail(chance, fault, begin, took)
        if self.run.state == RunState.SUCCEEDED:
            self._settle(RunState.SUCCEEDED, begin, begin + took)

    def _fail(
        self, chance: random.Random, fault: Fault, begin: dt.datetime, took: dt.timedelta
    ) -> None:
        state = RunState.DEAD if fault.is_final else RunState.PENDING
        failed = AttemptOutcome.FAILED
        times = 1 if fault.is_final else chance.randint(1, 2)
        for _ in range(times):
            number = chance.randint(20, 90)
            self.attempts.append(
                TaskAttempt(
                    run=self.run,
                    outcome=failed,
                    started_at=begin,
                    finished_at=begin + took,
                    error=fault.error,
                    traceback=fault.traceback(number),
                    exception_facts=fault.facts(number),
                )
            )
            self._settle(state, begin, begin + took, attempt_outcome=failed)
        self.run.failures = times
        if fault.is_final:
            self.run.state, self.run.error = RunState.DEAD, fault.error

    def _settle(
        self, state: RunState, started_at: dt.datetime, finished_at: dt.datetime, **more: Any
    ) -> None:
        times = {"started_at": started_at, "finished_at": finished_at}
        self.outcomes.append(Outcome(run=self.run, state=state, **times, **more))


def _fault(chance: random.Random, kind: str, store: str, at: dt.datetime) -> Fault | None:
    for fault in FAULTS:
        is_late = timezone.now() - at <= dt.timedelta(minutes=fault.last_minutes)
        if fault.type == kind and store in fault.stores and is_late:
            return fault if chance.random() < fault.share * len(STORES) / 2 else None
    return None


def _tallies(outcomes: Sequence[Outcome]) -> list[Tally]:
    """As if a transaction had settled a hundred runs at a time."""
    texts = (tally_of(outcomes[start : start + 100]) for start in range(0, len(outcomes), 100))
    return [Tally(figures=text) for text in texts if text and json.loads(text)]


def _nights(now: dt.datetime) -> None:
    """Last night's run of each schedule, and of what comes every hour the last one."""
    here = timezone.localtime(now)
    nightly = here.replace(hour=4, minute=10, second=0, microsecond=0)
    nightly -= dt.timedelta(days=int(nightly > here))
    for schedule in PeriodicTask.objects.filter(enabled=True, crontab__isnull=False):
        is_hourly = schedule.crontab.hour == "*"
        night = now - dt.timedelta(minutes=5) if is_hourly else nightly
        took = dt.timedelta(seconds=20 + 37 * (schedule.pk % 5))
        TaskRun.objects.create(
            task=schedule.task,
            task_id=run_id(schedule.pk, night),
            queue=schedule.queue or "low_priority",
            state=RunState.SUCCEEDED,
            requested_by="schedule",
            created_at=night,
            available_at=night,
            publish_at=night,
            started_at=night,
            finished_at=night + took,
        )
        PeriodicTask.objects.filter(pk=schedule.pk).update(last_run_at=night)


def _people(now: dt.datetime) -> None:
    """A paused queue with what waits in it, and a worker that was lost."""
    pause(
        queue="low_priority",
        reason="The report server is being moved",
        by="mei",
        until=now + dt.timedelta(minutes=40),
    )
    waiting: dict[str, Any] = {"task": "neural.tasks.analyse_demand", "queue": "low_priority"}
    for number, minutes in enumerate((22, 17, 9, 4)):
        at = now - dt.timedelta(minutes=minutes)
        moments = {"created_at": at, "available_at": at, "publish_at": at}
        TaskRun.objects.create(task_id=f"waits-{number}", **waiting, **moments)
    WorkerProcess.objects.create(
        name="kitchen@srv-2",
        host="srv-2",
        process_id=4242,
        queues=["default"],
        started_at=now - dt.timedelta(hours=9),
        heartbeat_at=now - dt.timedelta(minutes=14),
        lost_at=now - dt.timedelta(minutes=13),
        recovered_runs=3,
        registered=[],
        versions={"neural": "1.0"},
    )
