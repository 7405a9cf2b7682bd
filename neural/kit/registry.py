"""Registries of things that apps add by name, like event types or probes. Imports no Django."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from neural.kit.errors import NeuralError, PermanentError

Thing = TypeVar("Thing")


class AlreadyRegistered(NeuralError):
    """Two different things were registered under one name."""


class NotRegistered(PermanentError):
    """No installed app registered a thing of this name."""


def _no_change() -> None:
    """The default for ``changed``: there is no cache to clear."""


class Registry(Generic[Thing]):
    """Things of one kind by name, in the order in which they were added.

    ``kind`` is their name in error messages. ``unknown`` is the error that :meth:`get` raises.
    ``changed`` is called after a thing was added.
    """

    def __init__(
        self,
        kind: str,
        *,
        unknown: type[NeuralError] = NotRegistered,
        changed: Callable[[], None] = _no_change,
    ) -> None:
        self.kind = kind
        self._unknown = unknown
        self._changed = changed
        self._things: dict[str, Thing] = {}

    def add(self, name: str, thing: Thing) -> Thing:
        """Register a thing under a name, and return the thing.

        Raises :class:`AlreadyRegistered` if another thing has the name. The same thing may be added
        again: Django calls ``ready()`` again when a test changes ``INSTALLED_APPS``.
        """
        if name in self._things:
            if self._things[name] is thing:
                return thing
            raise AlreadyRegistered(
                f"{self.kind} {name!r} is registered already: give one of the two another name, "
                "or register it in one place only"
            )
        self._things[name] = thing
        self._changed()
        return thing

    def get(self, name: str) -> Thing:
        """The thing of this name; or raises the registry's ``unknown`` error, which lists names."""
        try:
            return self._things[name]
        except KeyError:
            known = ", ".join(self.names()) or "none"
            raise self._unknown(f"{self.kind} {name!r} is not registered; known: {known}") from None

    def find(self, name: str) -> Thing | None:
        """The thing of this name, or None."""
        return self._things.get(name)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted(self._things)

    def by_name(self) -> list[Thing]:
        """All things in the order of their names."""
        return [self._things[name] for name in self.names()]

    def items(self) -> list[tuple[str, Thing]]:
        """All names and things, in the order in which they were added."""
        return list(self._things.items())

    def __iter__(self) -> Iterator[Thing]:
        return iter(list(self._things.values()))

    def __contains__(self, name: str) -> bool:
        return name in self._things

    def __len__(self) -> int:
        return len(self._things)
