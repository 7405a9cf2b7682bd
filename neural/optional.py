"""The parts of Neural that a project may leave out, and what is said where one is missing."""

from importlib import import_module
from typing import Any

from django.apps import apps

from neural.errors import NeuralError

PARTS = ("neural.restaurant", "neural.retrieval", "neural.forecasting", "neural.logins")
"""Each is a package and an app in ``INSTALLED_APPS`` of that name."""


class AppNotInstalled(NeuralError, ImportError):
    """Something was asked for that belongs to an app which the project leaves out."""


def attribute_of(module: str, name: str, *, asked: str) -> Any:
    """An attribute of a part's module, or :class:`AppNotInstalled` that says ``asked``, as the
    caller wrote it. Nothing of a part is imported where it is not installed."""
    app = app_of(module)
    if app is not None and not apps.is_installed(app):
        raise AppNotInstalled(
            f"{asked} belongs to the app {app}, which is not installed: add {app!r} to "
            "INSTALLED_APPS"
        )
    return getattr(import_module(module), name)


def app_of(module: str) -> str | None:
    """The app that a module belongs to; None for what is always there."""
    return next((part for part in PARTS if f"{module}.".startswith(f"{part}.")), None)
