"""What runs wrote: apps say which of their rows were written for a run's event."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Model

from neural.kit.registry import Registry
from neural.models import TaskRun


@dataclass(frozen=True, kw_only=True)
class WrittenRow:
    """A row that was written for a run's event, as it is now.

    ``is_current`` says whether its values are still those of the event; None if that is not known.
    ``by_run`` is False if another run of the event writes it.
    """

    row: Model
    is_current: bool | None = None
    by_run: bool = True


@dataclass(frozen=True, kw_only=True)
class Writes:
    """How an app finds the rows that were written for a run's event.

    ``find(run, user)`` reads by an index, a bounded number of rows, and only of the user's stores.
    It is called for runs that the user may see; the page leaves out rows of models that the user
    may not view.
    """

    name: str
    find: Callable[[TaskRun, Any], Sequence[WrittenRow]]


WRITES: Registry[Writes] = Registry("finder of written rows")


def register_written(name: str, find: Callable[[TaskRun, Any], Sequence[WrittenRow]]) -> None:
    """Add a finder. Call it in the app's ``ready()``."""
    known = WRITES.find(name)
    if known is None or known.find is not find:
        WRITES.add(name, Writes(name=name, find=find))


def written_by(run: TaskRun, user: Any) -> list[WrittenRow]:
    """The rows that were written for a run's event, as all apps tell them."""
    return [written for each in WRITES for written in each.find(run, user)]
