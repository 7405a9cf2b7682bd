"""Result backends that answer for ledger tasks out of the ledger.

``AsyncResult`` of a ledger task needs no second history: its state, value and traceback are
in the run and its tries. Results of plain tasks are stored and read as usual. Name one in
``result_backend``: ``neural.runs.result_backends.DatabaseResults`` (django-celery-results)
or ``neural.runs.result_backends.RedisResults+redis://host/2``.
"""

from typing import Any

from celery import states
from celery.backends.base import SyncBackendMixin
from celery.backends.redis import RedisBackend
from django_celery_results.backends.database import DatabaseBackend

from neural.models import RunState, TaskRun, TaskTry
from neural.runs.results import from_json, to_json

_STATES = {
    RunState.RUNNING: states.STARTED,
    RunState.SUCCEEDED: states.SUCCESS,
    RunState.DEAD: states.FAILURE,
    RunState.CANCELLED: states.REVOKED,
}


def state_of(run: TaskRun) -> str:
    """Celery's word for the state of a run."""
    if run.state == RunState.PENDING:
        return str(states.RETRY if run.failures else states.PENDING)
    if run.state == RunState.DISCARDED:
        return str(states.FAILURE if run.failures or run.losses else states.IGNORED)
    return str(_STATES[RunState(run.state)])


def meta_of(run: TaskRun) -> dict[str, Any]:
    """A run as a result backend tells of it."""
    state = state_of(run)
    last = run.tries.last() if state in (states.FAILURE, states.RETRY) else None
    return {
        "task_id": run.task_id,
        "status": state,
        "result": _error(run, last) if last or state == states.FAILURE else _value(run),
        "traceback": last.traceback if last else None,
        "children": _children(run),
        "date_done": run.finished_at,
        "name": run.task,
        "args": run.args,
        "kwargs": run.kwargs,
        "worker": run.worker.name if run.worker_id and run.worker else None,
        "queue": run.queue,
        "retries": run.failures,
        "parent_id": run.parent_task_id or None,
    }


def _value(run: TaskRun) -> Any:
    return from_json(to_json(run.result, what="the result"))


def _error(run: TaskRun, last: TaskTry | None) -> dict[str, Any]:
    kind, _, message = (run.error or (last.error if last else "")).partition(": ")
    return {"exc_type": kind or "Exception", "exc_message": (message,), "exc_module": "builtins"}


def _children(run: TaskRun) -> list[Any]:
    found = TaskRun.objects.filter(parent_task_id=run.task_id).order_by("pk")
    return [((task_id, None), None) for task_id in found.values_list("task_id", flat=True)]


class LedgerResults:
    """Mixed into a result backend: ledger tasks are answered from the ledger."""

    supports_native_join = False
    """Reading many results at once would pass the ledger by."""

    def _get_task_meta_for(self, task_id: str) -> Any:
        run = TaskRun.objects.select_related("worker").filter(task_id=task_id).first()
        if run is None:
            return super()._get_task_meta_for(task_id)  # type: ignore[misc]
        return self.meta_from_decoded(meta_of(run))  # type: ignore[attr-defined]

    def wait_for_pending(self, result: Any, *args: Any, **options: Any) -> Any:
        """Ask again and again: nobody publishes the end of a run to a waiting client, and
        whether a task is the ledger's may be known only later (the next of a chain)."""
        polling: Any = SyncBackendMixin.wait_for_pending
        return polling(self, result, *args, **options)

    def wait_for(self, *args: Any, **options: Any) -> Any:
        """What polling calls."""
        polling: Any = SyncBackendMixin.wait_for
        return polling(self, *args, **options)


class DatabaseResults(LedgerResults, DatabaseBackend):
    """django-celery-results for plain tasks, the ledger for ledger tasks."""


class RedisResults(LedgerResults, RedisBackend):
    """Redis for plain tasks, the ledger for ledger tasks."""
