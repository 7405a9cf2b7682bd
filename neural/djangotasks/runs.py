"""Runs of Django tasks: recording them, and doing them in a worker.

Each Django task has a Celery task of the same name.
"""

import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from celery import current_app, shared_task
from django.db import transaction

from neural.celeryapp.call import asked_by, keep
from neural.celeryapp.task import LedgerTask, is_async, run_to_its_end, with_request
from neural.djangotasks import reference, registry
from neural.djangotasks.results import TaskHeader, find_result, result_of, task_of
from neural.ledger import ports
from neural.ledger.clock import database_clock
from neural.ledger.record import enqueue
from neural.ledger.work import Work, current_run
from neural.models import RunState, TaskRun


def record(backend: Any, task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Record a run in the caller's transaction; returns its TaskResult.

    Raises InvalidTask if no worker could do the run. The signal ``task_enqueued`` is sent on
    commit, because a run that is rolled back was never accepted.
    """
    queue = backend.queue_of(task)
    _expect_somebody(task, queue)
    args, kwargs = reference.normalize_json([list(args), dict(kwargs)])
    family, path, due_at = asked_by(), task.module_path, task.run_after
    run = enqueue(
        task=path,
        args=args,
        kwargs=kwargs,
        queue=queue,
        priority=backend.priority_of(task),
        # A time that has passed is none, so that the relay is not needed.
        due_at=due_at if due_at and due_at > database_clock() else None,
        options=keep(path, {"headers": TaskHeader.of(task).header(), "root_id": family.root}),
        parent=family.parent or "",
    )
    result = result_of(run, task)
    send = partial(reference.signals.task_enqueued.send, type(backend), task_result=result)
    transaction.on_commit(send, robust=True)
    return result


def _expect_somebody(task: Any, queue: str) -> None:
    """Raise InvalidTask for a task whose message would lead no worker to its run."""
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


class DjangoTask(LedgerTask):
    """The Celery task behind a Django task.

    Schedules, chains and plain clients can name it, too. What they leave open is as the decorator
    says.
    """

    abstract = True
    # The function takes a context that no caller passes, so the worker checks the arguments.
    typing = False
    worker_checks_arguments = True

    @property
    def run_queue(self) -> str:  # type: ignore[override]
        """The queue of a run that was not enqueued through the framework."""
        task = registry.known(self.name)
        return str(task.get_backend().queue_of(task))

    @property
    def run_priority(self) -> int:  # type: ignore[override]
        """The priority of a run that was not enqueued through the framework."""
        task = registry.known(self.name)
        return int(task.get_backend().priority_of(task))

    def work_for(self, run: TaskRun) -> Work:
        """The work of a run, by the options of the backend with which it was enqueued."""
        options = task_of(run).get_backend().ledger_options
        work = super().work_for(run)
        atomic = options.atomic and not is_async(self)
        return replace(work, atomic=atomic, retry=options.policy(work.retry))

    def body(self) -> Callable[..., Any]:
        """The function; in a worker with the framework's context and signals."""
        run = current_run()
        if run is None or run.task != self.name:
            return super().body()
        return partial(_perform, run, task_of(run))

    def coroutine(self, request: Mapping[str, Any]) -> Coroutine[Any, Any, Any]:
        run = current_run()
        assert run is not None
        value = _called(run, task_of(run), *request["args"], **request["kwargs"])

        async def awaited() -> Any:
            return _as_json(await value)

        return with_request(self, request, awaited())

    def _check_fit(self, run: TaskRun, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        context = [None] if registry.known(self.name).takes_context else []
        super()._check_fit(run, [*context, *args], kwargs)


def register(task: Any) -> None:
    """Create the Celery task of a Django task, and have its signals sent."""
    shared_task(base=DjangoTask, name=task.module_path)(task.func)
    ports.when_ended("django tasks", _signal_when_committed)


def _perform(run: TaskRun, task: Any, *args: Any, **kwargs: Any) -> Any:
    value = _called(run, task, *args, **kwargs)
    return _as_json(run_to_its_end(value) if inspect.iscoroutine(value) else value)


def _called(run: TaskRun, task: Any, *args: Any, **kwargs: Any) -> Any:
    """The function's value, or its coroutine, after the signal that the task started."""
    result = result_of(run, task)
    sender = type(task.get_backend())
    reference.signals.task_started.send(sender, task_result=result)
    context = [reference.base.TaskContext(task_result=result)] if task.takes_context else []
    return task.func(*context, *args, **kwargs)


def _as_json(value: Any) -> Any:
    """The value as it will be read back. A value that is not JSON fails permanently."""
    try:
        return reference.normalize_json(value)
    except (TypeError, ValueError) as error:
        error.permanent = True  # type: ignore[union-attr]  # retry policies read this
        raise


def _signal_when_committed(ended: Sequence[ports.Ended]) -> None:
    for each in ended:
        # A discarded one was ignored, or has ended before.
        if each.state != RunState.DISCARDED and registry.known(each.run.task) is not None:
            transaction.on_commit(partial(_signal_end, each.run.task_id), robust=True)


def _signal_end(task_id: str) -> None:
    result = find_result(task_id)
    if result.is_finished:  # and not retried by a person meanwhile
        sender = type(result.task.get_backend())
        reference.signals.task_finished.send(sender, task_result=result)
