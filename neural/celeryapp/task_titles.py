"""The titles of Celery tasks, and which works there are, for pages that people read."""

from functools import cache
from typing import Any

from celery import current_app

from neural.events.recording import EVENT_TASK
from neural.events.registry import handler_names
from neural.ledger.work import WorkSource


def title_of_task(name: str) -> Any:
    """The ``title`` of the task of this name; empty for a task without one, and for none."""
    if name not in current_app.tasks:
        load_tasks()
    return getattr(current_app.tasks.get(name), "title", "")


def known_works() -> list[str]:
    """The names of all handlers and ledger tasks of this process. The task that carries events is
    none: its runs are those of handlers."""
    load_tasks()
    tasks = [name for name, task in current_app.tasks.items() if isinstance(task, WorkSource)]
    return [*handler_names(), *sorted(name for name in tasks if name != EVENT_TASK)]


@cache
def load_tasks() -> None:
    """Import every app's tasks, once for each process: Celery checks all of Django's models each
    time."""
    current_app.loader.import_default_modules()
