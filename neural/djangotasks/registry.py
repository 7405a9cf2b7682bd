"""The Django tasks that this process knows, each with the Celery task of the same name.

A task is registered when it is decorated. That may be before Django has loaded its models, which
the Celery task needs; the Celery task is then registered when Neural is ready. This module imports
nothing of the framework, which may not be installed.
"""

from typing import Any

from django.apps import apps

_known: dict[str, Any] = {}


def note(task: Any) -> None:
    """Register a task for this process's workers. Of its variants (``using``), the first counts."""
    path = task.module_path
    is_new = path not in _known
    if is_new or _known[path].func is not task.func:
        _known[path] = task
    if is_new and apps.models_ready:
        _register(path)


def known(path: str) -> Any:
    """The task with this dotted path, or None."""
    return _known.get(path)


def connect() -> None:
    """Register the tasks that were decorated before the models were loaded."""
    for path in list(_known):
        _register(path)


def _register(path: str) -> None:
    from neural.djangotasks.runs import register  # not before the models are loaded

    register(_known[path])
