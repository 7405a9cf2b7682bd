"""What starts when a run has ended: its links, the rest of its chain, its error callbacks.

They are recorded in the transaction of the outcome, so that none is lost or doubled. A
plain Celery task among them cannot be: for it a run of ``send_signature`` is recorded,
which sends its message and is tried again until it is sent.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from celery import current_app, signature
from celery.utils.functional import arity_greater
from django.db import transaction

from neural.models import TaskRun
from neural.runs import enqueue
from neural.runs.options import OptionNotKept, signatures
from neural.runs.routing import DEFAULT_PRIORITY, DEFAULT_QUEUE

logger = logging.getLogger(__name__)

SEND_TASK = "neural.tasks.send_signature"


def follow_success(run: TaskRun, value: Any) -> None:
    """Start the links and the next task of the chain, each with the value."""
    for link in signatures(run, "link"):
        _start(run, signature(link, app=current_app), (value,), {})
    rest = list(signatures(run, "chain"))
    if rest:  # Celery keeps a chain with its next task last
        following = signature(rest.pop(), app=current_app)
        _start(run, following, (value,), {"chain": rest} if rest else {})


def follow_death(run: TaskRun, error: BaseException | None) -> None:
    """Start the error callbacks: of one argument with the task id, as Celery does; of
    three (request, error, traceback) they are called here, once the outcome is committed."""
    for each in signatures(run, "link_error"):
        callback = signature(each, app=current_app)
        if _takes_three(callback):
            transaction.on_commit(partial(_call, callback, run, error), robust=True)
        else:
            _start(run, callback, (run.task_id,), {})


def _start(run: TaskRun, following: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
    if following.get("task") == "celery.group":
        for member in _members(following):
            _start(run, member, args, options)
        return
    family = {"parent_id": run.task_id, "root_id": run.options.get("root_id") or run.task_id}
    if _begins_on_the_ledger(following):
        following.apply_async(args, **options, **family)
    else:
        enqueue.enqueue(
            task=SEND_TASK,
            args=[dict(following), list(args), {**options, **family}],
            kwargs={},
            queue=DEFAULT_QUEUE,
            priority=DEFAULT_PRIORITY,
            parent=run.task_id,
        )


def _members(group: Any) -> Sequence[Any]:
    return [signature(member, app=current_app) for member in group.tasks]


def _begins_on_the_ledger(following: Any) -> bool:
    name = following.get("task")
    if name == "celery.chord":
        raise OptionNotKept("a chord cannot follow a ledger task; use a chain")
    if name == "celery.chain":
        return _begins_on_the_ledger(signature(following.tasks[0], app=current_app))
    return hasattr(current_app.tasks.get(name), "companions")


def _takes_three(callback: Any) -> bool:
    task = current_app.tasks.get(callback.get("task"))
    header = getattr(task, "__header__", None)
    return header is not None and arity_greater(header, 1) and not callback.get("immutable")


def _call(callback: Any, run: TaskRun, error: BaseException | None) -> None:
    request = {"id": run.task_id, "task": run.task, "args": run.args, "kwargs": run.kwargs}
    callback(request, error, getattr(error, "__traceback__", None))
