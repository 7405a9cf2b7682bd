"""The optional apps of Neural, and lazy loading of public names.

Names are loaded on first use for two reasons. Models cannot be imported before Django has loaded
its applications, and a library that a project does not use (NumPy, a model) should not slow its
start. A name of an app that is not installed raises an error that says which app to add.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from neural.kit.errors import NeuralError

PARTS = (
    "neural.restaurant",
    "neural.retrieval",
    "neural.forecasting",
    "neural.logins",
    "neural.api",
    "neural.hooks",
    "neural.monitoring",
)
"""The optional parts. Each is a package, and an app of the same name in ``INSTALLED_APPS``."""

TASKS: Mapping[str, str] = {
    "advance_training_round": "neural.forecasting.tasks",
    "analyse_demand": "neural.restaurant.tasks",
    "answer_training_exchange": "neural.forecasting.tasks",
    "batch_index_orders": "neural.retrieval.tasks",
    "deliver_webhook": "neural.hooks.tasks",
    "index_marked": "neural.retrieval.tasks",
    "index_to_vector_db": "neural.retrieval.tasks",
    "make_forecasts": "neural.forecasting.tasks",
    "prune_old_rows": "neural.monitoring.tasks",
    "rebuild_search_index": "neural.retrieval.tasks",
    "reconcile_source": "neural.hooks.tasks",
    "reconcile_sources": "neural.hooks.tasks",
    "route_pushes": "neural.hooks.tasks",
    "send_alert": "neural.monitoring.tasks",
    "run_federated_round": "neural.forecasting.tasks",
    "tend_search_indexes": "neural.retrieval.tasks",
    "train_federated_model": "neural.forecasting.tasks",
}
"""The module that defines each task of an optional part. In messages, runs and schedules, the name
of every task begins with ``neural.tasks``. The parts cannot say this themselves: an error about a
part that is not installed names it, and imports nothing of it."""


class AppNotInstalled(NeuralError, ImportError):
    """A name was used that belongs to an app which is not in ``INSTALLED_APPS``."""


class ExtraNotInstalled(NeuralError, ImportError):
    """An app is in ``INSTALLED_APPS``, and a library is missing that its extra brings."""


def require(app: str, *libraries: str, extra: str) -> None:
    """Raise :class:`ExtraNotInstalled` if one of these libraries is not there. Loads none.

    An app's configuration calls this, which Django imports before anything else of the app.
    """
    if missing := [name for name in libraries if find_spec(name) is None]:
        raise ExtraNotInstalled(
            f"{app} needs {' and '.join(missing)}, which cannot be imported: pip install "
            f"'zhilian-neural[{extra}]', or take {app!r} out of INSTALLED_APPS"
        )


def look_up(package: str, homes: Mapping[str, str], name: str) -> Any:
    """Load a name from its module; a package's ``__getattr__`` calls this.

    ``homes`` maps names to modules. Raises AttributeError for a name that is not in it, and
    :class:`AppNotInstalled` if the name's app is not installed; its module is not imported then.
    """
    if name not in homes:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    if advice := _advice_for_app_of(homes[name]):
        raise AppNotInstalled(f"{package}.{name} {advice}")
    return getattr(import_module(homes[name]), name)


def absent_app_advice(task: str) -> str:
    """What to do about a task whose app is not installed; empty for any other task.

    The text is the end of a sentence that begins with the task's name.
    """
    package, _, name = task.rpartition(".")
    home = TASKS.get(name) if package == "neural.tasks" else None
    return _advice_for_app_of(home) if home else ""


def _advice_for_app_of(module: str) -> str:
    from django.apps import apps  # not at the top: `import neural` alone must not load Django

    app = app_of(module)
    if app is None or apps.is_installed(app):
        return ""
    return f"belongs to the app {app}, which is not installed: add {app!r} to INSTALLED_APPS"


def app_of(module: str) -> str | None:
    """The optional app that a module belongs to; None for a module that is always there."""
    return next((part for part in PARTS if f"{module}.".startswith(f"{part}.")), None)
