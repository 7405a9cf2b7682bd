"""Functions of apps that are called for the runs which people change together."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

from neural.kit.registry import Registry

Changed: TypeAlias = Callable[[str, Sequence[int]], object]

LISTENERS: Registry[Changed] = Registry("listener to acts on runs")


def when_changed(name: str, call: Changed) -> None:
    """Call a function with the verb and the primary keys of the runs that one statement has
    changed, in its transaction. An error rolls that back. Call this in the app's ``ready()``."""
    LISTENERS.add(name, call)


def notify_changed(verb: str, keys: Sequence[int]) -> None:
    """Call the functions that :func:`when_changed` set."""
    if keys:
        for call in LISTENERS:
            call(verb, keys)
