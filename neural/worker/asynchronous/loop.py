"""The event loop of a worker: starts coroutines, cancels them, and makes their outcomes."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from asgiref.sync import AsyncToSync

from neural.ledger import ports
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.outcome import Outcome, failed, succeeded
from neural.ledger.work import Clock, Replaced, Work, current, current_run
from neural.ledger.work_errors import only_exceptions
from neural.models import TaskRun
from neural.worker.asynchronous.lane import GuardedLane, Lane

Body = Coroutine[Any, Any, Any]
TICK_SECONDS = 0.25
LEAVE_SECONDS = 1.0
"""How long cancelled coroutines may take to clean up when their worker stops."""


@dataclass(eq=False)
class UnderWay:
    """A claimed run that is being executed."""

    run: TaskRun
    clock: Clock
    work: Work | None = None
    soft_limit: float | None = None
    hard_limit: float | None = None
    task: "asyncio.Task[None] | None" = None
    is_dropped: bool = False
    """Whether the run no longer belongs to this process, so that nothing is recorded."""
    began_at: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Seconds since the work began; negative while it waits for its turn."""
        return time.monotonic() - self.began_at


Ending = Callable[[UnderWay, Outcome], None]


async def perform(it: UnderWay, body: Body) -> Outcome | None:
    """Await the coroutine of a run; returns the outcome, or None if the run was dropped.

    At the soft limit the coroutine is cancelled: it sees ``CancelledError`` where it waits, as from
    ``asyncio.timeout``. Unless it goes on all the same, the attempt fails with
    :class:`SoftTimeLimitExceeded`.
    """
    current.set(it.run)
    started_at = it.clock.now()
    limit = asyncio.timeout(it.soft_limit)
    try:
        with only_exceptions(), ports.processing([it.run]):
            value = await _within(limit, body)
        return None if it.is_dropped else succeeded(it.run, value, started_at, it.clock)
    except Exception as error:  # noqa: BLE001 (recorded, whatever it is)
        if it.is_dropped:
            return None
        return failed(it.run, error, it.work, started_at, it.clock)


async def _within(limit: asyncio.Timeout, body: Body) -> Any:
    try:
        async with limit:
            return await body
    except Replaced as word:
        return word
    except TimeoutError as error:
        if not limit.expired():
            raise  # the work's own
        raise SoftTimeLimitExceeded from error


class Loop:
    """A thread with an event loop. ``on_end`` is called there with each outcome."""

    def __init__(
        self, *, on_end: Ending, event_loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self.orm: Lane = GuardedLane("neural-orm")
        self.ticks = 0
        """Counts up while the loop goes round."""
        self._on_end = on_end
        self._loop = event_loop or asyncio.new_event_loop()
        self._loop.set_task_factory(self._new_task)
        self._runs: WeakKeyDictionary[asyncio.Task[Any], TaskRun | None] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[Any]] = set()
        # Where Django's sync_to_async finds the thread for the calls of this loop.
        executors: Any = AsyncToSync.loop_thread_executors
        executors[self._loop] = self.orm
        self.thread = threading.Thread(target=self._go_round, name="neural-loop", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def begin(self, it: UnderWay, body: Body) -> None:
        """Have the loop execute this coroutine; from any thread."""
        self._loop.call_soon_threadsafe(self._begin, it, body)

    def cancel(self, it: UnderWay) -> None:
        """Cancel a run that was taken away, of which nothing is recorded; from any thread."""
        it.is_dropped = True
        self._loop.call_soon_threadsafe(self._cancel, it)

    def leave(self, seconds: float = LEAVE_SECONDS) -> None:
        """Wait until the cancelled coroutines have cleaned up, or for so many seconds."""
        deadline = time.monotonic() + seconds
        while self._tasks and time.monotonic() < deadline:
            time.sleep(0.01)

    def holder(self) -> tuple[Any, TaskRun | None]:
        """The coroutine that the loop is executing now (None between two), and its run."""
        task = asyncio.current_task(self._loop)
        return task, self._runs.get(task) if task else None

    def _go_round(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._tick)
        self._loop.run_forever()

    def _tick(self) -> None:
        self.ticks += 1
        self._loop.call_later(TICK_SECONDS, self._tick)

    def _new_task(self, loop: Any, body: Any, **options: Any) -> "asyncio.Task[Any]":
        """Also for the tasks that a coroutine makes, which act for its run."""
        task = asyncio.Task(body, loop=loop, **options)
        self._runs[task] = current_run()
        return task

    def _begin(self, it: UnderWay, body: Body) -> None:
        it.task = task = self._loop.create_task(self._perform(it, body))
        self._runs[task] = it.run
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: body.close())  # it has not begun if it was cancelled first

    def _cancel(self, it: UnderWay) -> None:
        if it.task is not None:
            it.task.cancel()

    async def _perform(self, it: UnderWay, body: Body) -> None:
        outcome = await perform(it, body)
        if outcome is not None:
            self._on_end(it, outcome)
