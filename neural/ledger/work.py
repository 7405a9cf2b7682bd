"""The work of a run (which function to call and how), and what that code can find out about it."""

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
    """The work of a run: the function to call, whether it is atomic, and its retry policy."""

    function: Callable[[], Any]
    atomic: bool
    retry: RetryPolicy
    batch: "Batch | None" = None
    """Set for work that one call can do for many runs."""


class Batch(NamedTuple):
    """A function that does the work of many runs in one call."""

    function: Callable[[list[Any]], object]
    item: Callable[[], Any]
    """Returns this run's element of the list that the function takes."""


class RetryRequested(Retry):
    """The work itself asks for a retry: ``self.retry(exc=…, countdown=…)``.

    A subclass of Celery's ``Retry``, so that ``except Retry: raise`` in a task works as usual."""

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
    """Raise this if there is nothing to do yet: the run is pending again and due after ``seconds``.

    Nothing failed, so no failure is counted and no attempt is recorded. ``checkpoint`` (JSON) is
    kept as the run's result meanwhile; in the next attempt, :func:`checkpoint` returns it.
    """

    why = ""
    """The run's error meanwhile."""
    is_first = False
    """Whether an attempt is recorded all the same, with ``why`` as its error."""

    def __init__(self, seconds: float, *, checkpoint: Any = None) -> None:
        super().__init__(f"snoozed for {seconds:g} s")
        self.seconds = seconds
        self.checkpoint = checkpoint


class WorkSource(ABC):
    """Finds the function to call for a run; implemented by tasks on the ledger."""

    @abstractmethod
    def work_for(self, run: TaskRun) -> Work:
        """The work of this run."""

    def batchable(self) -> Sequence[str]:
        """Names of handlers whose due runs may be claimed in one batch with this task's message."""
        return ()

    def registered(self) -> Mapping[str, Any]:
        """Further facts about this task for a worker's row."""
        return {}


@dataclass
class Clock:
    """The database's time within one delivery: the time of the claim, continued by this process's
    monotonic clock."""

    claimed_at: dt.datetime
    _zero: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, run: TaskRun) -> Self:
        """The clock of the delivery that has just claimed this run; ValueError if none has."""
        if run.started_at is None:
            raise ValueError(f"run {run.task_id} has not been claimed")
        return cls(run.started_at)

    def seconds(self) -> float:
        """Seconds since the claim."""
        return time.perf_counter() - self._zero

    def now(self) -> dt.datetime:
        """The current time of this clock."""
        return self.claimed_at + dt.timedelta(seconds=self.seconds())


current: contextvars.ContextVar[TaskRun | None] = contextvars.ContextVar("run", default=None)


def current_run() -> TaskRun | None:
    """The run that is being executed here, or None."""
    return current.get()


_queue: contextvars.ContextVar[str] = contextvars.ContextVar("queue", default="")


@contextmanager
def working_on(queue: str) -> Iterator[None]:
    """Set the queue whose runs are executed as a batch in this block."""
    before = _queue.set(queue)
    try:
        yield
    finally:
        _queue.reset(before)


def works_on_history() -> bool:
    """Whether the run or batch that is being executed here is on the queue ``low_priority``, where
    backfilled events go."""
    run = current_run()
    return (run.queue if run else _queue.get()) == LOW_PRIORITY_QUEUE


def checkpoint() -> Any:
    """The ``checkpoint`` with which the run being executed last raised :class:`Snooze`, or None."""
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
