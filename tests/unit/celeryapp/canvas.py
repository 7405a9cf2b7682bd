"""Ledger tasks made for one test, and the messages of plain tasks."""

from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import Celery, current_app
from celery.app.trace import build_tracer
from django.utils import timezone

import neural
from neural.celeryapp.task import LedgerTask
from neural.kit.stored_json import from_json, to_json
from neural.models import TaskRun


class Sent(NamedTuple):
    name: str
    args: list[Any]
    kwargs: dict[str, Any]
    options: dict[str, Any]


class Outbox(list):
    """What plain Celery was asked to send. `away`: the broker does not take it."""

    away = False


def record_plain_messages(monkeypatch) -> Outbox:
    sent = Outbox()

    def send_task(app, name, args=None, kwargs=None, **options):
        if sent.away:
            raise ConnectionError("the broker is away")
        sent.append(Sent(name, list(args or ()), dict(kwargs or {}), options))
        return app.AsyncResult(options.get("task_id") or "sent")

    monkeypatch.setattr(Celery, "send_task", send_task)
    return sent


@contextmanager
def ledger_task(function, **options):
    """A task of this function, for the length of a block."""
    name = f"test.{function.__name__}"
    task = current_app.task(base=LedgerTask, name=name, **options)(function)
    try:
        yield current_app.tasks[task.name]
    finally:
        current_app.tasks.unregister(name)


def run_all() -> None:
    """Everything that is due or will be, retries too."""
    while neural.run_due(now=timezone.now() + timezone.timedelta(days=1)):
        pass


def work_off(sent: Outbox) -> None:
    """Execute the plain tasks that were sent as a worker does: as their messages say it."""
    while sent:
        message = sent.pop(0)
        for own in ("producer", "result_cls", "task_type"):  # of the call, not of the message
            message.options.pop(own, None)
        name, args, kwargs, options = from_json(to_json(list(message), what="a message"))
        task = current_app.tasks[name]
        names = {"task_id": "id", "group_id": "group", "link": "callbacks"}
        names["link_error"] = "errbacks"
        request = {names.get(option, option): value for option, value in options.items()}
        request |= {"task": name, "args": args, "kwargs": kwargs, "delivery_info": {}}
        trace = build_tracer(name, task, app=current_app, propagate=False)
        trace(request["id"], args, kwargs, request)


def all_done(sent: Outbox) -> None:
    """Everything is done, by the ledger's workers and by those of plain tasks."""
    run_all()
    while sent:
        work_off(sent)
        run_all()


def runs_of(task) -> list[TaskRun]:
    name = task if isinstance(task, str) else task.name
    return list(TaskRun.objects.filter(task=name).order_by("pk"))
