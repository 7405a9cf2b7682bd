"""Whom to tell of runs that end: settling tells, and so does every verb by which people end a run.

``neural.ledger.ports`` is where other packages find it.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

EndListener: TypeAlias = Callable[[Sequence[Any]], object]
"""Called with each :class:`neural.runs.models.run.Ended`."""

_listeners: dict[str, EndListener] = {}


def when_ended(name: str, listener: EndListener) -> None:
    """Call a function for the runs of every task when they end, however that is, many at once.

    It is called in the transaction that ends them, so that what it records is neither lost nor
    doubled; an error rolls that transaction back. It is called whenever a worker settles or a
    person cancels, so it looks first whether one of the runs concerns it, which must be cheap. Of
    runs that people end, it finds large columns (arguments, results) not loaded: each costs a
    query.
    """
    _listeners[name] = listener


def notify_ended(ended: Sequence[Any]) -> None:
    """Call the functions that :func:`when_ended` set, in the order in which they were set."""
    for listener in _listeners.values():
        listener(ended)
