"""What tests do to registries, which the code only ever adds to."""

from collections.abc import Iterator
from contextlib import contextmanager

from neural.registry import Registry


def forget(registry: Registry, name: str) -> None:
    """As if nobody had registered it."""
    registry._things.pop(name, None)
    registry._changed()


@contextmanager
def emptied(registry: Registry) -> Iterator[None]:
    """Nothing is registered inside the block but what it registers itself."""
    before, registry._things = registry._things, {}
    registry._changed()
    try:
        yield
    finally:
        registry._things = before
        registry._changed()
