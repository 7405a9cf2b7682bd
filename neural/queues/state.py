"""The state of each queue: what is due, who reads it, and who paused it.

Pages, metrics, probes and the rules of alerts read it from here, and an examination keeps it as
JSON. Every statement is served by an index and bounded: due runs are counted up to
:data:`COUNTED`.
"""

import datetime as dt
import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, Min

from neural.kit.keyset.walks import indexes_alone
from neural.kit.thresholds import thresholds_of
from neural.ledger import dialects
from neural.models import QueuePause, TaskRun, WorkerProcess
from neural.queues import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE, PRIORITIES, QUEUES

COUNTED = 1000
"""Counting stops here: a COUNT over millions of runs would take longer than its answer is valid."""


class WaitLimits(NamedTuple):
    """For how many seconds a due run of a queue may wait."""

    warning: float
    critical: float


NO_LIMITS = WaitLimits(float("inf"), float("inf"))


def wait_limits() -> Callable[[str], WaitLimits]:
    """How long due runs of a queue may wait, by the alert ``oldest_due``; its thresholds are read
    here, once for all queues."""
    found = thresholds_of("oldest_due")
    own = {HIGH_PRIORITY_QUEUE: "oldest_due_urgent", LOW_PRIORITY_QUEUE: "oldest_due_low"}

    def limits(queue: str) -> WaitLimits:
        name = own.get(queue, "oldest_due")
        return WaitLimits(found[f"{name}_seconds"], found[f"{name}_critical_seconds"])

    return limits


class Standing(enum.StrEnum):
    """How a queue is, in one word."""

    PAUSED = "paused"
    NO_READER = "no_reader"
    FALLING_BEHIND = "falling_behind"
    RUNNING = "running"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Runs a minute that came in, and that ended (succeeded, or dead)."""

    incoming: float
    outgoing: float


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """One queue at one moment."""

    name: str
    due: int = 0
    """Due runs, at most :data:`COUNTED`."""
    oldest_seconds: float = 0.0
    """For how long the oldest of them has been due; 0 without one."""
    readers: int = 0
    """Live workers that read it."""
    pause: QueuePause | None = None
    rates: Rates | None = None
    """None if they are unknown."""
    limits: WaitLimits = NO_LIMITS

    @property
    def oldest(self) -> dt.timedelta | None:
        """For how long the oldest due run has been due; None if nothing is due."""
        return dt.timedelta(seconds=self.oldest_seconds) if self.due else None

    @property
    def is_more(self) -> bool:
        """Whether counting stopped before the last due run."""
        return self.due >= COUNTED

    @property
    def is_unread(self) -> bool:
        """Whether runs are due that nobody reads, and that nobody has paused."""
        return bool(self.due) and self.standing == Standing.NO_READER

    @property
    def is_late(self) -> bool:
        """Whether a due run has waited for too long, although the queue is read."""
        return self.standing == Standing.FALLING_BEHIND

    @property
    def is_critically_late(self) -> bool:
        return self.is_late and self.oldest_seconds > self.limits.critical

    @property
    def needs_somebody(self) -> bool:
        return self.is_unread or self.is_late

    @property
    def standing(self) -> Standing:
        if self.pause:
            return Standing.PAUSED
        if not self.readers:
            return Standing.NO_READER
        is_late = self.oldest_seconds > min(self.limits)  # people set them in any order
        return Standing.FALLING_BEHIND if is_late else Standing.RUNNING

    @property
    def gain(self) -> float | None:
        """By how many due runs a minute the queue shrinks at its rates: by none that go out where
        nobody reads. None if nothing is due, it is paused, or the rates are unknown."""
        if not self.due or self.pause or self.rates is None:
            return None
        return (self.rates.outgoing if self.readers else 0) - self.rates.incoming

    @property
    def drained_in(self) -> dt.timedelta | None:
        """When nothing would be due any more at these rates; None if never, or unknown."""
        return dt.timedelta(minutes=self.due / self.gain) if self.gain and self.gain > 0 else None

    @property
    def is_growing(self) -> bool:
        """Whether runs are due and more come in than end."""
        return self.gain is not None and self.gain < 0

    def as_json(self) -> dict[str, Any]:
        """What is kept of it; times are as Django's encoder of JSON writes them."""
        paused = self.pause
        return {
            "due": self.due,
            "oldest_seconds": self.oldest_seconds if self.due else None,
            "readers": self.readers,
            "paused": paused
            and {"by": paused.paused_by, "reason": paused.reason, "until": paused.until},
        }

    @classmethod
    def from_json(cls, name: str, kept: Mapping[str, Any], limits: WaitLimits) -> "QueueState":
        """The state that was kept, by the limits of now. Since when a queue was paused is not."""
        paused = kept["paused"]
        pause = paused and QueuePause(
            queue=name,
            paused_by=paused["by"],
            reason=paused["reason"],
            until=paused["until"] and dt.datetime.fromisoformat(paused["until"]),
        )
        return cls(
            name=name,
            due=kept["due"],
            oldest_seconds=kept["oldest_seconds"] or 0.0,
            readers=kept["readers"],
            pause=pause,
            limits=limits,
        )


def queue_states(
    *,
    now: dt.datetime,
    pending: Iterable[str],
    readers: Mapping[str, Sequence[str]],
    only: Callable[..., Any] | None = None,
) -> dict[str, QueueState]:
    """The states of all queues with pending runs, readers or a pause, by name and in that order.

    ``pending`` and ``readers`` come from :func:`pending_queues` and :func:`readers_of`. ``only``
    limits due runs to some of those that come first in the order that it is given.
    """
    due = {queue: _due(queue, now, only) for queue in pending}
    full = [queue for queue, (number, _) in due.items() if number >= COUNTED]
    if full and only is None:  # not all were looked at
        due |= {queue: (COUNTED, at or now) for queue, at in oldest_due(full, now).items()}
    pauses = {each.queue: each for each in QueuePause.objects.in_force(now)}
    limits = wait_limits()
    found = {}
    for name in sorted({*due, *readers, *pauses}):
        number, since = due.get(name, (0, now))
        found[name] = QueueState(
            name=name,
            due=number,
            oldest_seconds=max((now - since).total_seconds(), 0.0),
            readers=len(readers.get(name, ())),
            pause=pauses.get(name),
            limits=limits(name),
        )
    return found


def _due(queue: str, now: dt.datetime, only: Callable[..., Any] | None) -> tuple[int, dt.datetime]:
    """How many runs are due, and since when the oldest of those that were looked at."""
    due = TaskRun.objects.due(now).filter(queue=queue).order_by()
    looked_at = only(due, "-priority", "available_at") if only else due[:COUNTED]
    found = looked_at.values("available_at").aggregate(runs=Count("*"), oldest=Min("available_at"))
    return min(found["runs"], COUNTED), found["oldest"] or now


def oldest_due(queues: Iterable[str], now: dt.datetime) -> dict[str, dt.datetime | None]:
    """Since when the oldest due run of each queue has been due; None if nothing is due.

    It takes one index lookup for each priority: the minimum over all of them would be a scan. The
    database is held to that index, because statistics from before a backlog make another look
    cheaper.
    """
    found = {}
    with indexes_alone(TaskRun.objects.db):
        for queue in queues:
            firsts = TaskRun.objects.raw(_OLDEST, [queue] * len(PRIORITIES))
            moments = (run.available_at for run in firsts)
            found[queue] = min((at for at in moments if at <= now), default=None)
    return found


_OLDEST = " UNION ALL ".join(
    f"""
    SELECT * FROM (
        SELECT id, available_at FROM neural_taskrun
        WHERE state = 'pending' AND queue = %s AND priority = {priority}
        ORDER BY available_at LIMIT 1
    ) AS of_{priority}
    """
    for priority in PRIORITIES
)


def pending_queues() -> list[str]:
    """Queues of pending runs, found by index jumps from each queue to the next."""
    with dialects.ledger_connection().cursor() as cursor:
        cursor.execute(_PENDING)
        return [queue for (queue,) in cursor.fetchall()]


_PENDING = """
    WITH RECURSIVE pending (queue) AS (
        SELECT (
            SELECT queue FROM neural_taskrun
            WHERE state = 'pending' AND queue > '' ORDER BY queue LIMIT 1
        )
        UNION ALL
        SELECT (
            SELECT run.queue FROM neural_taskrun AS run
            WHERE run.state = 'pending' AND run.queue > pending.queue ORDER BY run.queue LIMIT 1
        ) FROM pending WHERE queue IS NOT NULL
    )
    SELECT queue FROM pending WHERE queue IS NOT NULL
"""
# Not MIN(queue): where statistics know of no pending run, PostgreSQL 15 reads them all for it.


def readers_of(workers: Iterable[WorkerProcess]) -> dict[str, list[str]]:
    """Names of the workers that read each queue."""
    readers: dict[str, list[str]] = {}
    for worker in workers:
        for queue in worker.queues:
            readers.setdefault(queue, []).append(worker.name)
    return readers


def in_use(states: Mapping[str, QueueState]) -> dict[str, QueueState]:
    """The project's queues, then others that have due runs, readers or a pause."""
    others = (name for name, each in states.items() if each.due or each.readers or each.pause)
    names = dict.fromkeys([*QUEUES, *others])
    return {name: states.get(name) or QueueState(name=name) for name in names}
