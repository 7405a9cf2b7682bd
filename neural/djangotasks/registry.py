"""The Django tasks that this process knows, each with the Celery task of the same name.

A task is registered when it is decorated. This module imports nothing of the framework, which may
not be installed.
"""

from collections.abc import Sequence
from typing import Any

_known: dict[str, Any] = {}


def note(task: Any) -> bool:
    """Register a task. Of its variants (``using``), the first counts. Returns whether it is new."""
    path = task.module_path
    is_new = path not in _known
    if is_new or _known[path].func is not task.func:
        _known[path] = task
    return is_new


def known(path: str) -> Any:
    """The task with this dotted path, or None."""
    return _known.get(path)


def every() -> Sequence[Any]:
    """All of them."""
    return list(_known.values())
