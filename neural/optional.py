"""The parts of Neural that a project may leave out, and names that are loaded when first used.

Models cannot be imported before Django has loaded its applications, and what a project does not
use (LanceDB, a model) should cost it no start. What is asked of a part that is missing says which
app to add.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from neural.errors import NeuralError

PARTS = ("neural.restaurant", "neural.retrieval", "neural.forecasting", "neural.logins")
"""Each is a package and an app in ``INSTALLED_APPS`` of that name."""

TASKS: Mapping[str, str] = {
    "advance_training_round": "neural.forecasting.tasks",
    "analyse_demand": "neural.restaurant.tasks",
    "answer_training_exchange": "neural.forecasting.tasks",
    "batch_index_orders": "neural.retrieval.tasks",
    "index_marked": "neural.retrieval.tasks",
    "index_to_vector_db": "neural.retrieval.tasks",
    "make_forecasts": "neural.forecasting.tasks",
    "rebuild_search_index": "neural.retrieval.tasks",
    "run_federated_round": "neural.forecasting.tasks",
    "tend_search_indexes": "neural.retrieval.tasks",
    "train_federated_model": "neural.forecasting.tasks",
}
"""Where a part's tasks are. Their names, which stand in messages, runs and schedules, all begin
with ``neural.tasks``."""


class AppNotInstalled(NeuralError, ImportError):
    """Something was asked for that belongs to an app which the project leaves out."""


def look_up(package: str, homes: Mapping[str, str], name: str) -> Any:
    """What ``name`` is in its home, for a package's own ``__getattr__``; or
    :class:`AppNotInstalled`. Nothing of a part is imported where it is not installed."""
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    if said := _said_of_an_absent_app(homes[name]):
        raise AppNotInstalled(f"{package}.{name} {said}")
    return getattr(import_module(homes[name]), name)


def said_of_an_absent_task(task: str) -> str:
    """What to do about a task that belongs to a part which is not installed, as the end of a
    sentence that begins with its name; empty for every other."""
    package, _, name = task.rpartition(".")
    is_a_parts = package == "neural.tasks" and name in TASKS
    return _said_of_an_absent_app(TASKS[name]) if is_a_parts else ""


def _said_of_an_absent_app(module: str) -> str:
    from django.apps import apps  # not above: `import neural` alone loads no Django

    app = app_of(module)
    if app is None or apps.is_installed(app):
        return ""
    return f"belongs to the app {app}, which is not installed: add {app!r} to INSTALLED_APPS"


def app_of(module: str) -> str | None:
    """The app that a module belongs to; None for what is always there."""
    return next((part for part in PARTS if f"{module}.".startswith(f"{part}.")), None)
