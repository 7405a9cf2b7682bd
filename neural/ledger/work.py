"""What a run stands for, and what the code that does it can know: which run, at what time."""

import contextvars
import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from neural.conf import conf
from neural.ledger.interrupts import Retry
from neural.ledger.retry import RetryPolicy
from neural.models import TaskRun
from neural.queues import LOW_PRIORITY_QUEUE


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a run stands for: a function to call, and how."""

    function: Callable[[], Any]
    atomic: bool
    retry: RetryPolicy
    batch: "Batch | None" = None
    """For work that can be done for many runs at once."""


class Batch(NamedTuple):
    """Work for many runs at once, and what this run has to do with it."""

    function: Callable[[list[Any]], object]
    item: Callable[[], Any]
    """What stands for this run in the list."""


class RetryRequested(Retry):
    """The work itself asks to be tried again: ``self.retry(exc=…, countdown=…)``.

    Celery's own ``Retry``, so that a body which lets that one pass lets this one pass."""

    def __init__(
        self,
        cause: BaseException | None,
        *,
        countdown: float | None = None,
        max_retries: int | None = None,
    ) -> None:
        super().__init__(str(cause or "the task asked for a retry"))
        self.cause = cause
        self.countdown = countdown
        self.max_retries = max_retries


class Snooze(Retry):
    """The work has nothing to do yet: its run is pending again and due after so many seconds.

    Nothing failed, so nothing is counted and no attempt is kept. ``checkpoint`` (JSON) stands as
    the run's result meanwhile, and :func:`checkpoint` gives it to the next attempt.
    """

    why = ""
    """Stands as the run's error meanwhile."""
    is_first = False
    """Whether an attempt is kept all the same, which says why."""

    def __init__(self, seconds: float, *, checkpoint: Any = None) -> None:
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds
        self.checkpoint = checkpoint


class WorkSource(ABC):
    """Whoever knows which function a run stands for: a task on the ledger."""

    @abstractmethod
    def work_for(self, run: TaskRun) -> Work:
        """What this run stands for."""

    def batchable(self) -> Sequence[str]:
        """Handlers whose due runs a message of this one may claim in its batch."""
        return ()

    def registered(self) -> Mapping[str, Any]:
        """What a worker's row says of this one beside its name."""
        return {}


@dataclass
class Clock:
    """Times of the attempts of one delivery, on the database's clock."""

    claimed_at: dt.datetime
    _zero: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, run: TaskRun) -> Self:
        """The clock of the delivery that has just claimed this run."""
        if run.started_at is None:
            raise ValueError(f"run {run.task_id} has not been claimed")
        return cls(run.started_at)

    def seconds(self) -> float:
        """Since the claim."""
        return time.perf_counter() - self._zero

    def now(self) -> dt.datetime:
        return self.claimed_at + dt.timedelta(seconds=self.seconds())


current: contextvars.ContextVar[TaskRun | None] = contextvars.ContextVar("run", default=None)


def current_run() -> TaskRun | None:
    """The run that is being worked on here, if any."""
    return current.get()


_queue: contextvars.ContextVar[str] = contextvars.ContextVar("queue", default="")


@contextmanager
def working_on(queue: str) -> Iterator[None]:
    """Say of which queue the runs are that are worked on together in this block."""
    before = _queue.set(queue)
    try:
        yield
    finally:
        _queue.reset(before)


def works_on_history() -> bool:
    """Whether what is being worked on here may wait behind all else, as backfilled events do."""
    run = current_run()
    return (run.queue if run else _queue.get()) == LOW_PRIORITY_QUEUE


def checkpoint() -> Any:
    """What the run that is being worked on said when it was last :class:`Snooze`."""
    run = current_run()
    return None if run is None else run.result


def default_retry() -> RetryPolicy:
    """The retry policy of the settings."""
    return RetryPolicy(
        max_retries=conf().max_retries,
        base_seconds=conf().retry_base_seconds,
        cap_seconds=conf().retry_cap_seconds,
        jitter=conf().retry_jitter,
    )
