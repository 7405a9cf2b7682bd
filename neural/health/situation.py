"""Facts that several probes need, read once."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from neural.conf import conf
from neural.health.broker import BrokerFacts, ask_broker
from neural.health.findings import COUNTED
from neural.ledger.clock import database_clock
from neural.models import RunState, TaskRun, WorkerProcess
from neural.queues import PRIORITIES


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Due runs of one queue."""

    queue: str
    runs: int
    """At most COUNTED."""
    oldest_seconds: float


class Situation:
    """The state of workers, queues and broker. Each part is read once, when first used."""

    @cached_property
    def now(self) -> dt.datetime:
        """The time by the database's clock, as used for due times and heartbeats."""
        return database_clock()

    @cached_property
    def broker(self) -> BrokerFacts:
        return ask_broker()

    @cached_property
    def workers(self) -> Sequence[WorkerProcess]:
        """Workers that have reported recently; a stand-alone relay is one without queues."""
        alive = WorkerProcess.objects.publishing().alive(conf().worker_lost_seconds)
        return list(alive.order_by("name"))

    @cached_property
    def beats(self) -> Sequence[WorkerProcess]:
        """Beats that have reported recently."""
        alive = WorkerProcess.objects.beats().alive(conf().worker_lost_seconds)
        return list(alive.order_by("name"))

    @cached_property
    def readers(self) -> dict[str, list[str]]:
        """Names of the live workers that read each queue."""
        result: dict[str, list[str]] = {}
        for worker in self.workers:
            for queue in worker.queues:
                result.setdefault(queue, []).append(worker.name)
        return result

    @cached_property
    def waiting(self) -> dict[str, Waiting]:
        """Due runs by queue; queues with nothing due are left out."""
        found = (self._waiting_on(queue) for queue in pending_queues())
        return {each.queue: each for each in found if each is not None}

    def _waiting_on(self, queue: str) -> Waiting | None:
        due = TaskRun.objects.due(self.now).filter(queue=queue)
        runs = len(due.order_by().values_list("pk")[:COUNTED])
        if not runs:
            return None
        # One index lookup for each priority: the oldest of all would be a scan.
        oldest = (
            due.filter(priority=priority)
            .order_by("available_at")
            .values_list("available_at", flat=True)
            .first()
            for priority in PRIORITIES
        )
        since = min(moment for moment in oldest if moment is not None)
        return Waiting(queue=queue, runs=runs, oldest_seconds=(self.now - since).total_seconds())


def pending_queues() -> Iterator[str]:
    """Queues of pending runs, found by index jumps from each queue to the next."""
    queue = ""
    pending = TaskRun.objects.filter(state=RunState.PENDING).order_by("queue")
    while queue := pending.filter(queue__gt=queue).values_list("queue", flat=True).first() or "":
        yield queue
