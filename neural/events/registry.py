"""Handlers: which functions run for which event types."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, NamedTuple, TypeVar

from neural.errors import PermanentError
from neural.events.types import event_type
from neural.ledger.retry import RetryPolicy
from neural.models import NeuralEvent
from neural.registry import Registry

HandlerFunction = TypeVar("HandlerFunction", bound=Callable[..., Any])
Data = TypeVar("Data")


class Received(NamedTuple, Generic[Data]):
    """One of the events that a batch handler is given, and its payload as the schema reads it."""

    event: NeuralEvent
    data: Data


class HandlerUnknown(PermanentError):
    """A run names a handler that no installed app registers any more."""


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A function and how its runs are run.

    ``atomic``: its database writes and the run's outcome are one transaction. Handlers
    of long or outside work say ``atomic=False`` and must be idempotent; ``async def``
    handlers always are such. ``batch``: the function takes a list of events at once.
    ``retry`` replaces the default retry policy.
    """

    name: str
    function: Callable[..., Any]
    types: tuple[str, ...]
    atomic: bool = True
    batch: bool = False
    retry: RetryPolicy | None = field(default=None)

    def call(self, received: Received[Any]) -> Any:
        """Give one event to the function, by itself."""
        return self.function([received]) if self.batch else self.function(*received)


def handles(
    *types: str,
    name: str = "",
    atomic: bool = True,
    batch: bool = False,
    retry: RetryPolicy | None = None,
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Register ``function(event, data)`` for one or more event types.

    ``event`` is the :class:`~neural.models.NeuralEvent` with its store loaded, ``data`` its
    payload as the type's schema reads it. Write it in an installed app's
    ``neural_handlers.py``. The handler's name is the app's package and the function's name
    unless given; it stands in the ledger, so keep it when you move the function.

    With ``batch=True`` it is ``function(received)``: a list of :class:`Received`, of one
    event or of many, of several stores, in no order. What it writes is kept for all of them
    or for none; after any error it is called again for each event alone, so that the one to
    blame fails by itself. What it returns is not kept.
    """

    def register(function: HandlerFunction) -> HandlerFunction:
        home = function.__module__.split(".")[0]
        handler = Handler(
            name=name or f"{home}.{function.__name__}",
            function=function,
            types=types,
            atomic=atomic and not asyncio.iscoroutinefunction(function),
            batch=batch,
            retry=retry,
        )
        _add(handler)
        return function

    return register


def _add(handler: Handler) -> None:
    if not handler.types:
        raise ValueError(f"handler {handler.name!r} names no event type")
    if handler.batch and not handler.atomic:
        raise ValueError(f"handler {handler.name!r}: only atomic handlers can take batches")
    for type_name in handler.types:
        event_type(type_name)  # raises for a type that nobody registered
    HANDLERS.add(handler.name, handler)


def handler(name: str) -> Handler:
    """The handler of this name, or :class:`HandlerUnknown`."""
    found = HANDLERS.find(name)
    if found is None:
        raise HandlerUnknown(
            f"no installed app registers the handler {name!r}; retry when one does"
        )
    return found


@cache
def handlers_of(type_name: str) -> tuple[Handler, ...]:
    """The handlers of an event type, by name."""
    found = (each for each in HANDLERS if type_name in each.types)
    return tuple(sorted(found, key=lambda each: each.name))


@cache
def atomic_handler_names() -> tuple[str, ...]:
    """Names of the handlers whose runs a worker may claim in a batch."""
    return tuple(sorted(each.name for each in HANDLERS if each.atomic))


def handler_names() -> list[str]:
    """Names of all handlers."""
    return HANDLERS.names()


def _forget_lookups() -> None:
    """Look handlers up anew after one was added or removed."""
    handlers_of.cache_clear()
    atomic_handler_names.cache_clear()


HANDLERS: Registry[Handler] = Registry("handler", changed=_forget_lookups)
