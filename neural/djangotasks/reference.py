"""The installed tasks framework: Django's own, or the backport for Django 5.2."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

NAME = "django.tasks" if find_spec("django.tasks") else "django_tasks"
_JSON = "django.utils.json" if NAME == "django.tasks" else "django_tasks.utils"

base: Any = import_module(f"{NAME}.base")
signals: Any = import_module(f"{NAME}.signals")
BaseTaskBackend: Any = import_module(f"{NAME}.backends.base").BaseTaskBackend
normalize_json: Any = import_module(_JSON).normalize_json

_exceptions: Any = import_module(f"{NAME}.exceptions")


def _either(name: str) -> Any:
    """An exception by Django's name, or by its name in the backport up to 0.12."""
    return getattr(_exceptions, name, None) or getattr(_exceptions, f"{name}Error")


InvalidTask = _either("InvalidTask")
InvalidTaskBackend = _either("InvalidTaskBackend")
TaskResultDoesNotExist: Any = _exceptions.TaskResultDoesNotExist
