"""A thread that does one job after the other, and says whose job it is doing."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from neural.ledger.guard import WorkGuard
from neural.ledger.work import current_run
from neural.models import TaskRun
from neural.worker.relay import drop_broken_connections

Value = TypeVar("Value")
Job = Callable[[], Any]


class Lane(Executor):
    """An executor with one daemon thread: a job that is stuck does not keep the process alive."""

    def __init__(self, name: str) -> None:
        self.doing: TaskRun | None = None
        """The run whose job is being done; None if there is no job, or it belongs to no run."""
        self._jobs: SimpleQueue[tuple[Future[Any], Job, TaskRun | None]] = SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, job: Callable[..., Value], /, *args: Any, **options: Any) -> Future[Value]:
        """Do a job of the run that is being executed in the caller's context."""
        return self.put(partial(job, *args, **options), run=current_run())

    def put(self, job: Callable[[], Value], *, run: TaskRun | None = None) -> Future[Value]:
        """Do a job of this run."""
        future: Future[Value] = Future()
        self._jobs.put((future, job, run))
        return future

    def _work(self) -> None:
        while True:
            self._do(*self._jobs.get())

    def _do(self, future: Future[Any], job: Job, run: TaskRun | None) -> None:
        if not future.set_running_or_notify_cancel():
            return
        self.doing = run
        try:
            value = self._call(job, run)
        except BaseException as error:  # noqa: BLE001 (whoever waits for the job raises it)
            future.set_exception(error)
        else:
            future.set_result(value)
        finally:
            self.doing = None

    def _call(self, job: Job, run: TaskRun | None) -> Any:
        drop_broken_connections()
        return job()


class GuardedLane(Lane):
    """A lane for the ORM calls of coroutines, which share its database connections.

    After each call the connections are as before: a transaction that it left open is rolled back
    and the call fails, and a session that it changed is replaced.
    """

    def _call(self, job: Job, run: TaskRun | None) -> Any:
        drop_broken_connections()
        guard = WorkGuard(atomic=False)
        try:
            return guard.call(job, what=f"{run.work_name} run={run.task_id}" if run else "")
        finally:
            guard.renew_sessions()
