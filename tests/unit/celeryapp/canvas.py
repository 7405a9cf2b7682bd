"""Ledger tasks made for one test, and the messages of plain tasks."""

from contextlib import contextmanager
from typing import Any, NamedTuple

from celery import Celery, current_app
from django.utils import timezone

import neural
from neural.celeryapp.task import LedgerTask
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


def runs_of(task) -> list[TaskRun]:
    name = task if isinstance(task, str) else task.name
    return list(TaskRun.objects.filter(task=name).order_by("pk"))
