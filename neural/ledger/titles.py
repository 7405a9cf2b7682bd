"""Titles of works: what a handler or a task does, in a few words that people read before its name.

A handler says its title when it is registered. A task's title is an attribute of the task, which
Celery knows: the function that reads it is connected when the application is ready.
"""

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _

TitleOfTask = Callable[[str], Any]

_of_handlers: dict[str, Any] = {}


def _no_title(task: str) -> Any:
    """The title of a task while nothing is connected."""
    return ""


_title_of_task: TitleOfTask = _no_title


def connect(*, title_of_task: TitleOfTask) -> None:
    """Set the function that reads the title of a task; it returns an empty text for none."""
    global _title_of_task
    _title_of_task = title_of_task


def add_title(*, handler: str, title: Any) -> None:
    """Keep the title of a handler: a text, or a lazy one that is translated where it is shown."""
    _of_handlers[handler] = title


def work_title(name: str) -> str:
    """The title of the handler or task of this name in the reader's language, or else the name."""
    return given_title(name) or name


def told_work(name: str) -> str:
    """The title of the handler or task of this name with the name, as a part of a sentence; only
    the name if nobody gave a title."""
    title = given_title(name)
    return _("%(title)s (%(name)s)") % {"title": title, "name": name} if title else name


def given_title(name: str) -> str:
    """The title of the handler or task of this name in the reader's language; empty if nobody gave
    one."""
    return str(_of_handlers.get(name) or _title_of_task(name) or "")
