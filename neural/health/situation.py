"""Facts that several probes need, read once, and the registry of probes that apps add.

Those run after the core's, on a database that answers.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import Min, QuerySet

from neural.conf import conf
from neural.health.broker import BrokerFacts, ask_broker
from neural.health.findings import COUNTED, Finding
from neural.keyset.walks import indexes_alone
from neural.ledger.clock import database_clock
from neural.ledger.pausing import pauses
from neural.models import QueuePause, RunState, TaskRun, WorkerProcess
from neural.queues import PRIORITIES
from neural.registry import Registry

Fact = TypeVar("Fact")

LOOKED_AT = 5 * COUNTED
"""Rows of every store that are looked at to find those of some stores."""


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Due runs of one queue."""

    queue: str
    runs: int
    """At most COUNTED."""
    oldest_seconds: float


class Situation:
    """The state of workers, queues and broker. Each part is read once, when first used.

    With ``stores``, runs and refused events are those of these stores alone, as far as they are
    among the next :data:`LOOKED_AT`; the probes of these, and the rules of alerts that are judged
    ``of_stores``, then tell of nothing else.
    """

    def __init__(self, stores: Collection[str] | None = None) -> None:
        self.stores = stores
        self._facts: dict[str, object] = {}
        self.database_answers = False
        """Whether the probe of the database got an answer, even if it did not like that."""

    def once(self, name: str, read: Callable[[], Fact]) -> Fact:
        """What ``read`` returned when it was first called for this name.

        A probe takes what it reads from here, so that its findings in several languages are of the
        same facts and cost one query.
        """
        if name not in self._facts:
            self._facts[name] = read()
        return self._facts[name]  # type: ignore[return-value]

    def mine(self, rows: QuerySet, *order: str, store: str = "store") -> Any:
        """Of these rows those of the situation's stores, looked for among the first in this order,
        in which an index has them."""
        if self.stores is None:
            return rows
        first = rows.order_by(*order).values("pk")[:LOOKED_AT]
        return rows.filter(pk__in=first, **{f"{store}__in": self.stores})

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
    def pauses(self) -> dict[str, QueuePause]:
        """The pauses in force, by queue."""
        return {paused.queue: paused for paused in pauses().order_by("queue")}

    @cached_property
    def waiting(self) -> dict[str, Waiting]:
        """Due runs by queue; queues with nothing due are left out."""
        found = (self._waiting_on(queue) for queue in pending_queues())
        return {each.queue: each for each in found if each is not None}

    def _waiting_on(self, queue: str) -> Waiting | None:
        now = self.now
        due = self.mine(TaskRun.objects.due(now).filter(queue=queue), "-priority", "available_at")
        runs = len(due.order_by().values_list("pk")[:COUNTED])
        if not runs:
            return None
        at = due.aggregate(at=Min("available_at"))["at"] if self.stores else oldest_due(queue, now)
        since = at or now  # claimed meanwhile
        return Waiting(queue=queue, runs=runs, oldest_seconds=(now - since).total_seconds())


def oldest_due(queue: str, now: dt.datetime) -> dt.datetime | None:
    """Since when the oldest due run of a queue has been due; None if nothing is due.

    It takes one index lookup for each priority: the minimum over all of them would be a scan. The
    database is held to that index, because statistics from before a backlog make another look
    cheaper.
    """
    due = TaskRun.objects.due(now).filter(queue=queue).order_by("available_at")
    moments = due.values_list("available_at", flat=True)
    with indexes_alone(due.db):
        firsts = [moments.filter(priority=priority).first() for priority in PRIORITIES]
    return min(filter(None, firsts), default=None)


def pending_queues() -> Iterator[str]:
    """Queues of pending runs, found by index jumps from each queue to the next."""
    queue = ""
    pending = TaskRun.objects.filter(state=RunState.PENDING).order_by("queue")
    while queue := pending.filter(queue__gt=queue).values_list("queue", flat=True).first() or "":
        yield queue


Probe = Callable[[Situation], Finding]

PROBES: Registry[Probe] = Registry("probe")
IN_RELAYS: dict[str, Probe] = {}
"""By name, what relays run in place of a probe."""


def register_probe(name: str, probe: Probe, *, in_relays: Probe | None = None) -> None:
    """Have `doctor` run this probe, too. Its findings have the same name.

    Relays run probes too, in the main process of a worker, between two heartbeats. A probe that
    takes long, or that opens what must not be open when that process forks, needs another one for
    them: ``in_relays``.
    """
    PROBES.add(name, probe)
    if in_relays is not None:
        IN_RELAYS[name] = in_relays
