"""Recording the run of a Django task."""

import datetime as dt
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from celery import current_app
from django.db import transaction

from neural.celeryapp.call import asked_by
from neural.celeryapp.options import keep
from neural.djangotasks import reference
from neural.djangotasks.asked import Asked
from neural.djangotasks.results import result_of
from neural.djangotasks.routing import ledger_priority
from neural.djangotasks.running import DjangoTask
from neural.ledger import ports
from neural.ledger.clock import database_clock
from neural.ledger.record import enqueue
from neural.models import TaskRun


def record(backend: Any, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record a run in the caller's transaction; returns its TaskResult. The signal that tells of
    it is sent when it has committed, since what is undone was never accepted."""
    queue = backend.queue_of(task)
    _expect_somebody(task, queue)
    run = _recorded(task, queue, *reference.normalize_json([list(args), dict(kwargs)]))
    result = result_of(run, task)
    send = partial(reference.signals.task_enqueued.send, type(backend), task_result=result)
    transaction.on_commit(send, robust=True)
    return result


def _recorded(task: Any, queue: str, args: list[Any], kwargs: dict[str, Any]) -> TaskRun:
    family = asked_by()
    path = task.module_path
    return enqueue(
        task=path,
        args=args,
        kwargs=kwargs,
        queue=queue,
        priority=ledger_priority(task.priority),
        due_at=_later(task.run_after),
        options=keep(path, {"headers": Asked.of(task).header(), "root_id": family.root}),
        parent=family.parent or "",
    )


def _later(run_after: dt.datetime | None) -> dt.datetime | None:
    """A time that has passed is no reason to wait for the relay."""
    return run_after if run_after and run_after > database_clock() else None


def _expect_somebody(task: Any, queue: str) -> None:
    """Raise InvalidTask for a task of which a message would bring nobody to its run."""
    path = task.module_path
    if not ports.has_queue(queue):
        raise reference.InvalidTask(
            f"{path}: there is no Celery queue {queue!r}. Say in OPTIONS['queues'] of "
            f"TASKS[{task.backend!r}] which one the queue {task.queue_name!r} stands for"
        )
    if not isinstance(current_app.tasks.get(path), DjangoTask):
        raise reference.InvalidTask(
            f"{path}: a Celery task has this name already. Give one of both another name"
        )
