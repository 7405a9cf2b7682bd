"""The work of a run (which function to call and how), and what that code can find out about it.

A work has a title: what a handler or a task does, in a few words that people read before its name.
A handler says its title when it is registered. A task's title is an attribute of the task, which
Celery knows: the function that reads it is connected when the application is ready.

Works that one transaction executes share their totals (:func:`at_the_end`). A worker handles up to
a hundred events in one transaction. Suppose each event recomputed its totals (a day's demand, an
order's payments) at once. Then a busy row would be computed a hundred times and locked from the
first time to the commit, and two workers with the same rows in another order would deadlock. So the
keys are collected, and recomputed together when the block ends, in sorted order. A recomputation
depends on rows alone, so a superfluous one (its event was rolled back to a savepoint) does no harm.
"""

import datetime as dt
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

from django.utils.translation import gettext as _

from neural.kit.conf import conf
from neural.ledger.interrupts import Ignore, Retry
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
    coroutine: Callable[[], Coroutine[Any, Any, Any]] | None = None
    """Set for work that is an ``async def``: makes its coroutine, for a worker with an event loop.
    It may query the database."""


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
        expires: str | None = None,
    ) -> None:
        super().__init__(str(cause or "the task asked for a retry"))
        self.cause = cause
        self.countdown = countdown
        self.max_retries = max_retries
        self.expires = expires
        """ISO 8601; None leaves the run's ``expires_at`` as it is."""


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


REPLACED_BY = "replaced_by"
"""The option of a run that went on as another: the task id that it had."""


class Replaced(Ignore):
    """The work of the run goes on as another, which ``following`` names: ``self.replace(…)``. What
    the run has written is kept."""

    def __init__(self, following: Mapping[str, Any]) -> None:
        super().__init__("replaced by another task")
        self.following = following


def value_of(function: Callable[[], Any]) -> Any:
    """What the function returns, or the :class:`Replaced` that it raises."""
    try:
        return function()
    except Replaced as word:
        return word


class WorkSource(ABC):
    """Finds the function to call for a run; implemented by tasks on the ledger."""

    @abstractmethod
    def work_for(self, run: TaskRun) -> Work:
        """The work of this run."""

    def batchable(self) -> Sequence[str]:
        """Names of handlers whose due runs may be claimed in one batch with this task's message."""
        return ()

    def waits(self) -> bool:
        """Whether work of this task may be an ``async def``."""
        return False

    def begins(self, run: TaskRun) -> None:
        """Called before a run is executed to which another run's message has led."""
        return

    def ends(self, outcome: Any) -> None:
        """Called when it was executed; its outcome may not be on the disk yet."""
        return

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


current: ContextVar[TaskRun | None] = ContextVar("run", default=None)


def current_run() -> TaskRun | None:
    """The run that is being executed here, or None."""
    return current.get()


_queue: ContextVar[str] = ContextVar("queue", default="")


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


TitleOfTask = Callable[[str], Any]

_of_handlers: dict[str, Any] = {}


def _no_title(task: str) -> Any:
    """The title of a task while nothing is connected."""
    return ""


_title_of_task: TitleOfTask = _no_title


def connect(*, title_of_task: TitleOfTask) -> None:
    """Set the function that reads the title of a task; it returns an empty text for none."""
    global _title_of_task
    _title_of_task = title_of_task


def add_title(*, handler: str, title: Any) -> None:
    """Keep the title of a handler: a text, or a lazy one that is translated where it is shown."""
    _of_handlers[handler] = title


def work_title(name: str) -> str:
    """The title of the handler or task of this name in the reader's language, or else the name."""
    return given_title(name) or name


def work_text(name: str) -> str:
    """The title of the handler or task of this name with the name, as a part of a sentence; only
    the name if nobody gave a title."""
    title = given_title(name)
    return _("%(title)s (%(name)s)") % {"title": title, "name": name} if title else name


def given_title(name: str) -> str:
    """The title of the handler or task of this name in the reader's language; empty if nobody gave
    one."""
    return str(_of_handlers.get(name) or _title_of_task(name) or "")


# Totals


@dataclass(frozen=True, kw_only=True)
class Recomputation:
    """A kind of totals that are computed from rows, each with a sortable key.

    ``compute`` takes the sorted keys, locks the rows that it writes, and then reads. Lower ranks
    are computed first, so that every transaction takes its locks in the same order.
    """

    rank: int
    compute: Callable[[list[Any]], None]

    def ask(self, keys: set[Any]) -> None:
        """Recompute these keys: when the surrounding :func:`at_the_end` block ends, or at once
        without one."""
        waiting = _waiting.get()
        if waiting is not None:
            waiting.setdefault(self, set()).update(keys)
        elif keys:
            self.compute(sorted(keys))


_waiting: ContextVar[dict[Recomputation, set[Any]] | None] = ContextVar("waiting", default=None)


@contextmanager
def at_the_end() -> Iterator[None]:
    """Collect the requested recomputations and compute them when the block ends without an error.

    Put the block inside the transaction, around all its savepoints. An inner block passes its keys
    to the outer one.
    """
    waiting: dict[Recomputation, set[Any]] = {}
    token = _waiting.set(waiting)
    try:
        yield
    finally:
        _waiting.reset(token)
    for recomputation in sorted(waiting, key=lambda each: each.rank):
        recomputation.ask(waiting[recomputation])
