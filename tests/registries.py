"""Removes entries from registries, which only tests do: the code only adds entries."""

from collections.abc import Iterator
from contextlib import contextmanager

from neural.kit.registry import Registry


def forget(registry: Registry, name: str) -> None:
    """Remove a name, as if it had never been registered."""
    registry._things.pop(name, None)
    registry._changed()


@contextmanager
def emptied(registry: Registry) -> Iterator[None]:
    """Inside the block, the registry has only entries that the block itself registers."""
    before, registry._things = registry._things, {}
    registry._changed()
    try:
        yield
    finally:
        registry._things = before
        registry._changed()
