"""A runner of an asynchronous worker without threads, whose loop's clock jumps to what is next."""

import asyncio
import selectors
from concurrent.futures import Future
from functools import partial
from typing import Any

from neural.events.recording import EVENT_TASK
from neural.ledger.work import Work, WorkSource, default_retry
from neural.worker.asynchronous.loop import Loop
from neural.worker.asynchronous.runner import Asked, Runner
from tests.unit.factories import make_run


class _Jumping(selectors.DefaultSelector):
    """Passes the time instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0
        return super().select(0)


class JumpingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._clock = _Jumping()
        super().__init__(self._clock)

    def time(self) -> float:
        return self._clock.now


class Waiting:
    """A lane whose jobs are done when the test asks for it."""

    doing = None

    def __init__(self, name: str) -> None:
        self.jobs: list[tuple[Future, Any]] = []

    def put(self, job, *, run=None) -> Future:
        future: Future = Future()
        self.jobs.append((future, job))
        return future

    def do_all(self) -> None:
        while self.jobs:
            future, job = self.jobs.pop(0)
            future.set_result(job())


class Source(WorkSource):
    """Says what a run stands for: the coroutine function in `functions` under its task id."""

    name = EVENT_TASK

    def __init__(self, functions) -> None:
        self.functions = functions

    def work_for(self, run):
        function = self.functions[run.task_id]
        is_async = asyncio.iscoroutinefunction(function)
        coroutine = function if is_async else None
        return Work(function=function, atomic=False, retry=default_retry(), coroutine=coroutine)


class Driven:
    """The runner, the messages' answers, and the loop's clock."""

    def __init__(self, *, limit=100) -> None:
        self.clock = JumpingLoop()
        made = partial(Loop, event_loop=self.clock)
        self.runner = Runner(limit=limit, lane=Waiting, loop=made)
        self.answers: dict[str, list] = {}

    def ask(self, functions, source=None, **fields) -> None:
        """Record a run for each function, and bring its message."""
        for task_id in functions:
            make_run(task_id=task_id, **fields)
        self.deliver(functions, source or Source(functions))

    def deliver(self, task_ids, source) -> None:
        for task_id in task_ids:
            answer = partial(self.answers.setdefault, task_id)
            self.runner.ask(Asked(task_id, source, answer))

    def work(self, *, until=None) -> float:
        """Go on until nothing is left to do, or for so many seconds; returns the loop's time."""
        while True:
            self.do_jobs()
            if not self.runner.loop._tasks and not self._ready():
                return self.clock.time()
            if until is not None and self.clock.time() >= until:
                return self.clock.time()
            self.clock.run_until_complete(asyncio.sleep(0.01))

    def do_jobs(self) -> None:
        self.runner.ledger.do_all()
        self.runner.others.do_all()
        self.runner.ledger.do_all()

    def _ready(self) -> bool:
        return bool(self.clock._ready)

    def close(self) -> None:
        for task in asyncio.all_tasks(self.clock):
            task.cancel()
        self.clock.run_until_complete(asyncio.sleep(0))
        self.clock.close()
