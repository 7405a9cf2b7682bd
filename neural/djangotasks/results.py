"""A run in the terms of Django's tasks framework: its task, status, errors and attempts."""

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any, Self

from neural.celeryapp.celery_view import home_of
from neural.djangotasks import reference, registry
from neural.ledger.work_errors import NotAnException
from neural.models import AttemptOutcome, RunState, TaskRun
from neural.runs.models.attempt import Attempt, attempts_of

_HEADER = "django_task"
_STATUSES = {
    RunState.PENDING: "READY",
    RunState.RUNNING: "RUNNING",
    RunState.SUCCEEDED: "SUCCESSFUL",
    RunState.DEAD: "FAILED",
    RunState.CANCELLED: "FAILED",
    RunState.DISCARDED: "FAILED",
}
_LOST = "billiard.exceptions.WorkerLostError"
_REVOKED = "celery.exceptions.TaskRevokedError"
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n"


@dataclass(frozen=True, kw_only=True)
class TaskHeader:
    """How a task was enqueued, in the terms of Django's framework, as its run keeps it.

    Arguments and the rest are in the run's own columns, in the ledger's terms.
    """

    module: str
    """The module whose import registers the task."""
    backend: str
    priority: int
    queue_name: str
    run_after: str | None

    @classmethod
    def of(cls, task: Any) -> Self:
        """The header of a task that is being enqueued."""
        return cls(
            module=task.func.__module__,
            backend=task.backend,
            priority=task.priority,
            queue_name=task.queue_name,
            run_after=task.run_after.isoformat() if task.run_after else None,
        )

    @classmethod
    def by(cls, run: TaskRun) -> Self | None:
        """The header of a run; None if Celery asked for the run: a schedule or a plain client."""
        kept = run.options.get("headers", {}).get(_HEADER)
        return cls(**kept) if kept else None

    def header(self) -> dict[str, Any]:
        """A message header, so that it is kept with the run and sent with each of its messages."""
        return {_HEADER: asdict(self)}

    def variant(self, task: Any) -> Any:
        """The task with these values (``task.using``)."""
        run_after = dt.datetime.fromisoformat(self.run_after) if self.run_after else None
        return task.using(
            priority=self.priority,
            queue_name=self.queue_name,
            run_after=run_after,
            backend=self.backend,
        )


def find_result(task_id: str) -> Any:
    """The TaskResult of this id. Raises TaskResultDoesNotExist."""
    run = TaskRun.objects.filter(task_id=task_id).select_related("worker").first()
    task = task_of(run) if run else None
    if run is None or task is None:
        raise reference.TaskResultDoesNotExist(task_id)
    return result_of(run, task)


def task_of(run: TaskRun) -> Any:
    """The Django task of a run, as it was enqueued; None if the run is not one of a Django task."""
    asked = TaskHeader.by(run)
    if asked is None:
        return registry.known(run.task)
    if registry.known(run.task) is None:
        import_module(asked.module)
    task = registry.known(run.task)
    return asked.variant(task) if task else None


def result_of(run: TaskRun, task: Any) -> Any:
    """The TaskResult of a run of this task."""
    attempts = [each for each in attempts_of(run) if each.outcome != AttemptOutcome.RELEASED]
    result = reference.base.TaskResult(
        task=task,
        id=run.task_id,
        status=reference.base.TaskResultStatus[_STATUSES[RunState(run.state)]],
        enqueued_at=run.created_at,
        started_at=attempts[0].started_at if attempts else None,
        last_attempted_at=attempts[-1].started_at if attempts else None,
        finished_at=run.finished_at,
        args=run.args,
        kwargs=run.kwargs,
        backend=task.backend,
        errors=_errors(run, attempts),
        worker_ids=[_worker_id(each) for each in attempts],
    )
    if run.state == RunState.SUCCEEDED:
        object.__setattr__(result, "_return_value", run.result)  # as Django's own backends do
    return result


def _worker_id(attempt: Attempt) -> str:
    """The worker and its process.

    The process alone for ``run_due`` and for a worker whose row was pruned.
    """
    name = attempt.worker.name if attempt.worker else "process"
    return f"{name}/{attempt.process_id}"


def _errors(run: TaskRun, attempts: Sequence[Attempt]) -> list[Any]:
    """One error for each failed or lost attempt, and one for a run that was cancelled."""
    errors = [_error(each) for each in attempts if each.outcome in _FAILED]
    if run.state == RunState.CANCELLED:
        text = run.error or "The task was revoked"
        errors.append(reference.base.TaskError(exception_class_path=_REVOKED, traceback=text))
    return errors


_FAILED = (AttemptOutcome.FAILED, AttemptOutcome.LOST)


def _error(attempt: Attempt) -> Any:
    if attempt.outcome == AttemptOutcome.LOST:
        path, traceback = _LOST, attempt.error
    else:
        path, traceback = _raised(attempt.error, attempt.traceback)
    return reference.base.TaskError(exception_class_path=path, traceback=traceback)


def _raised(error: str, traceback: str) -> tuple[str, str]:
    """The class path of what was raised, and its traceback.

    For ``sys.exit`` and the like, that is the original class, not the ledger's NotAnException.
    """
    kind, _, message = error.partition(": ")
    if kind == NotAnException.__name__:
        found = re.match(r"\w+", message)
        kind, traceback = found[0] if found else kind, traceback.rpartition(_CAUSE)[0] or traceback
    return f"{home_of(kind, traceback)}.{kind}", traceback
