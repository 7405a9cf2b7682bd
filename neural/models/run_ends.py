"""Whom to tell of runs that end: settling tells, and so does every verb by which people end a run.

``neural.ledger.ports`` is where other packages find it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from neural.models.run import RunState, TaskRun


class Ended(NamedTuple):
    """A run that has ended: it succeeded, is dead, was cancelled (by a person, or because it
    expired), or was discarded, which may be a second end of one that was dead.

    ``error_type`` names the class of the exception if an attempt has just raised it. ``value`` is
    that of a run that succeeded.
    """

    run: "TaskRun"
    state: "RunState"
    error_type: str = ""
    value: Any = None


EndListener: TypeAlias = Callable[[Sequence[Ended]], object]

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


def without_success(
    ended: Sequence[Ended], *, task: str, argument: str, rows: "Callable[[], QuerySet[Any]]"
) -> Iterator[tuple[Ended, Any]]:
    """Of these runs, those of a task that have ended without success, each with that of these rows
    whose key it was given as this keyword argument, unless another run carries the row on. ``rows``
    is called for such a run alone: a query set costs more than a look at every run that ends.

    The row is locked, so that of two runs that end at once the second sees the end of the first.
    """
    for each in ended:
        if each.run.task == task and each.state != "succeeded":
            key = each.run.kwargs.get(argument)
            if isinstance(key, int):  # a plain client's message may hold anything
                row = rows().select_for_update(of=("self",)).filter(pk=key).first()
                others = (
                    type(each.run)
                    .objects.exclude(pk=each.run.pk)
                    .filter(task=task, event=None, state__in=("pending", "running"))
                )
                if row is not None and not others.filter(**{f"kwargs__{argument}": key}).exists():
                    yield each, row


def notify_ended(ended: Sequence[Ended]) -> None:
    """Call the functions that :func:`when_ended` set, in the order in which they were set."""
    for listener in _listeners.values():
        listener(ended)
