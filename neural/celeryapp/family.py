"""Whose child a new run is: that of the run, or plain Celery task, in which it is asked for."""

from typing import NamedTuple

from celery import current_app

from neural.ledger.work import current_run


class Family(NamedTuple):
    """Task ids; None where there is none."""

    parent: str | None
    root: str | None


def asked_by(parent: str | None = None, root: str | None = None) -> Family:
    """The family of what is asked for here and now; what is given is kept."""
    here = _here()
    return Family(parent or here.parent, root or (None if parent else here.root))


def _here() -> Family:
    run = current_run()
    if run is not None:
        return Family(run.task_id, run.root_id)
    task = current_app.current_worker_task
    if task is None:
        return Family(None, None)
    return Family(task.request.id, task.request.root_id or task.request.id)
