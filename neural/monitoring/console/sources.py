"""What the home shows of rooms and apps that may be absent: alerts, error groups, schedules."""

from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from django.apps import apps

GROUPS_SHOWN = 5


def open_alerts(user: Any) -> Sequence[Any]:
    """The open alerts that this user may see."""
    return _call("neural.monitoring.alerts.reading", "open_alerts", user, default=())


def open_groups(user: Any) -> Sequence[Any]:
    """The open error groups of last, of the user's stores."""
    where = "neural.monitoring.errors.reading"
    return _call(where, "open_groups", user, limit=GROUPS_SHOWN, default=())


def open_group_count(user: Any) -> int:
    """How many error groups are open."""
    return int(_call("neural.monitoring.errors.reading", "open_count", user, default=0))


def nightly_work(user: Any) -> Sequence[Any]:
    """The schedules, with their last outcomes and next times."""
    if not apps.is_installed("django_celery_beat"):
        return ()
    return _call("neural.monitoring.console.schedules", "nightly_work", user, default=())


def _call(module: str, name: str, *args: Any, default: Any, **options: Any) -> Any:
    if find_spec(module) is None:
        return default
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function(*args, **options)
