"""Handlers: registers the functions that are called for events of each type."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypedDict, TypeVar, Unpack, overload

from neural.events.types import EventType, Schema, event_type
from neural.kit.errors import PermanentError
from neural.kit.registry import Registry
from neural.ledger.retry import RetryPolicy
from neural.ledger.work import add_title
from neural.models import NeuralEvent

HandlerFunction = TypeVar("HandlerFunction", bound=Callable[..., Any])
Data = TypeVar("Data")
Result = TypeVar("Result")


class Received(NamedTuple, Generic[Data]):
    """An event that a batch handler gets, with its payload as parsed by the type's schema."""

    event: NeuralEvent
    data: Data


class HandlerUnknown(PermanentError):
    """A run names a handler that no installed app registers any more."""


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A registered function, and how its runs are executed.

    With ``atomic``, its database writes and the run's outcome share one transaction. Without it
    (for long or outside work, and always for ``async def``), the function must be idempotent.
    With ``batch``, the function takes a list of events. ``retry`` replaces the default retry
    policy. ``title`` is what pages that people read show before the name. ``queue`` is the queue of
    its runs, if not that of the event's type.
    """

    name: str
    function: Callable[..., Any]
    types: tuple[str, ...]
    atomic: bool = True
    batch: bool = False
    retry: RetryPolicy | None = field(default=None)
    title: Any = ""
    queue: str = ""
    superseded: Callable[[NeuralEvent, Any], bool] | None = None

    @property
    def is_async(self) -> bool:
        """Whether the function is an ``async def``."""
        return asyncio.iscoroutinefunction(self.function)

    def call(self, received: Received[Any]) -> Any:
        """Call the function for one event alone; returns its value."""
        return self.function([received]) if self.batch else self.function(*received)


class HandlesOne(Protocol[Data]):
    """Decorates a function that takes an event and its payload."""

    def __call__(
        self, function: Callable[[NeuralEvent, Data], Result], /
    ) -> Callable[[NeuralEvent, Data], Result]: ...


class HandlesMany(Protocol[Data]):
    """Decorates a function that takes a list of :class:`Received`."""

    def __call__(
        self, function: Callable[[list[Received[Data]]], Result], /
    ) -> Callable[[list[Received[Data]]], Result]: ...


class Options(TypedDict, total=False):
    """The options of :func:`handles` that do not change what the function takes."""

    name: str
    atomic: bool
    retry: RetryPolicy | None
    title: Any
    queue: str
    superseded: Callable[[NeuralEvent, Any], bool] | None


@overload
def handles(
    kind: EventType[Schema], /, *, batch: Literal[False] = ..., **options: Unpack[Options]
) -> HandlesOne[Schema]: ...
@overload
def handles(
    *types: str | EventType[Any], batch: Literal[False] = ..., **options: Unpack[Options]
) -> HandlesOne[Any]: ...
@overload
def handles(
    kind: EventType[Schema], /, *, batch: Literal[True], **options: Unpack[Options]
) -> HandlesMany[Schema]: ...
@overload
def handles(
    *types: str | EventType[Any], batch: Literal[True], **options: Unpack[Options]
) -> HandlesMany[Any]: ...
def handles(
    *types: str | EventType[Any],
    name: str = "",
    atomic: bool = True,
    batch: bool = False,
    retry: RetryPolicy | None = None,
    title: Any = "",
    queue: str = "",
    superseded: Callable[[NeuralEvent, Any], bool] | None = None,
) -> Callable[[HandlerFunction], HandlerFunction]:
    """Decorator: register ``function(event, data)`` for one or more event types, each given by name
    or as an :class:`EventType`. Given one of these alone, type checkers know the class of ``data``.

    Put the function into the module ``neural_handlers`` of an installed app. ``event`` is the
    :class:`~neural.models.NeuralEvent` with its store loaded, ``data`` its payload as parsed by the
    type's schema. ``name`` defaults to the top-level package and the function's name, like
    ``app.function``. The ledger keeps this name, so keep it when you move the function. ``title``
    says in a few words what the function does, for pages that people read; a lazy text is
    translated there. ``superseded(event, data)`` says whether a newer statement of the same
    is known, and stays; a dry run asks it, with an event that is not recorded.

    The run is atomic by default: the function's database writes and the run's outcome share one
    transaction. For long or outside work, pass ``atomic=False`` and make the function idempotent.
    An ``async def`` function is never atomic. ``retry`` replaces the default retry policy.
    ``queue`` replaces that of the event's type, for instance by one that a worker with ``--pool
    async`` reads; history, and events whose submitter chose a queue, go where they would without
    it.

    With ``batch=True``, the function is called as ``function(received)`` with a list of one or more
    :class:`Received`, of several stores, in no order. Its writes are kept for all of these events
    or for none. After any error it is called again for each event alone, so that only the event
    that causes the error fails. Its return value is not kept.

    Raises ValueError without an event type and for a batch handler that is not atomic, TypeError
    for a function that does not take what it is called with, EventTypeUnknown for an unregistered
    type, and AlreadyRegistered for a name in use.
    """

    def register(function: HandlerFunction) -> HandlerFunction:
        home = function.__module__.split(".")[0]
        handler = Handler(
            name=name or f"{home}.{function.__name__}",
            function=function,
            types=tuple(each if isinstance(each, str) else each.name for each in types),
            atomic=atomic and not asyncio.iscoroutinefunction(function),
            batch=batch,
            retry=retry,
            title=title,
            queue=queue,
            superseded=superseded,
        )
        _add(handler)
        return function

    return register


def _add(handler: Handler) -> None:
    if not handler.types:
        raise ValueError(f"handler {handler.name!r} names no event type")
    if handler.batch and not handler.atomic:
        raise ValueError(f"handler {handler.name!r}: only atomic handlers can take batches")
    _must_take(handler)
    for type_name in handler.types:
        event_type(type_name)  # raises for a type that nobody registered
    HANDLERS.add(handler.name, handler)
    add_title(handler=handler.name, title=handler.title)


def _must_take(handler: Handler) -> None:
    names = ("received",) if handler.batch else ("event", "data")
    signature = inspect.signature(handler.function)
    try:
        signature.bind(*names)
    except TypeError as error:
        raise TypeError(
            f"handler {handler.name!r} is called with ({', '.join(names)}), and takes {signature}: "
            f"{error}"
        ) from None


def handler(name: str) -> Handler:
    """The handler of this name; raises :class:`HandlerUnknown` if none is registered."""
    found = HANDLERS.find(name)
    if found is None:
        raise HandlerUnknown(
            f"no installed app registers the handler {name!r}; retry when one does"
        )
    return found


@cache
def handlers_of(type_name: str) -> tuple[Handler, ...]:
    """The handlers of an event type, sorted by name."""
    found = (each for each in HANDLERS if type_name in each.types)
    return tuple(sorted(found, key=lambda each: each.name))


@cache
def atomic_handler_names() -> tuple[str, ...]:
    """Names of the handlers whose runs a worker may claim in a batch."""
    return tuple(sorted(each.name for each in HANDLERS if each.atomic))


@cache
def own_queues() -> Mapping[str, str]:
    """The queues of the handlers that have one of their own, by the handlers' names."""
    return {each.name: each.queue for each in HANDLERS if each.queue}


def handler_names() -> list[str]:
    """Names of all handlers, sorted."""
    return HANDLERS.names()


def _forget_lookups() -> None:
    """Clear the caches after a handler was added."""
    handlers_of.cache_clear()
    atomic_handler_names.cache_clear()
    own_queues.cache_clear()


HANDLERS: Registry[Handler] = Registry("handler", changed=_forget_lookups)
