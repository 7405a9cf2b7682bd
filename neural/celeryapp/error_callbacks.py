"""Calling ``link_error`` callbacks of three arguments: ``(request, error, traceback)``."""

from collections.abc import Mapping
from typing import Any

from celery import current_app, signature
from celery.app.task import Context

from neural.celeryapp.celery_view import failure_of
from neural.models import TaskRun


def call(callback: Mapping[str, Any], task_id: str) -> None:
    """Call it, here, with what the ledger knows of the dead run, as Celery would have.

    ``request`` has the run's id, task, args, kwargs and retries; ``error`` is the exception
    as :class:`AsyncResult` gives it, ``traceback`` its text.
    """
    run = TaskRun.objects.get(task_id=task_id)
    failure, traceback = failure_of(run)
    error = current_app.backend.exception_to_python(failure)
    signature(dict(callback), app=current_app)(_request_of(run), error, traceback)


def _request_of(run: TaskRun) -> Context:
    return Context(
        id=run.task_id,
        task=run.task,
        args=run.args,
        kwargs=run.kwargs,
        retries=run.failures,
        root_id=run.root_id,
        parent_id=run.parent_task_id or None,
        delivery_info={"routing_key": run.queue},
    )
