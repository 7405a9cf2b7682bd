"""Telling of changed records, in the transaction that changes them, whoever keeps a copy of them:
the search index, where it is installed. Where nobody listens nothing happens.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from neural.ledger.recompute import Recomputation
from neural.ledger.work import works_on_history
from neural.registry import Registry

Listener = Callable[[str, Sequence[str], bool], None]
"""Takes a collection, the sorted keys of its records that have changed, and whether history has
changed them, in the transaction of the change."""

LISTENERS: Registry[Listener] = Registry("listener to changes")


class Changed(NamedTuple):
    """A record, by its collection and its key there."""

    history: bool
    collection: str
    key: str


def register_listener(name: str, listener: Listener) -> None:
    """Have every changed record told to this function, too."""
    LISTENERS.add(name, listener)


def reindex(*, collection: str, store: str, ids: Iterable[str]) -> None:
    """Have these records of a store taken up by the search index, soon after the caller's
    transaction has committed; records that are gone by then are taken out of it.

    ``collection`` is the name it was registered under. Inside a handler many calls cost one
    statement. Nothing happens where search is switched off or not installed.
    """
    keys = (f"{store}/{name}" for name in ids)
    record_changed(collection, keys, history=works_on_history())


def record_changed(collection: str, keys: Iterable[str], *, history: bool) -> None:
    """The same by the records' keys: code of the store, slash, id. ``history``: what is late here
    hurts nobody."""
    if LISTENERS:
        CHANGES.ask({Changed(history, collection, key) for key in keys})


def _notify(changed: list[Changed]) -> None:
    for (history, collection), group in groupby(changed, key=lambda each: each[:2]):
        keys = [each.key for each in group]
        for listener in LISTENERS:
            listener(collection, keys, history)


CHANGES = Recomputation(rank=9, compute=_notify)
"""After all others: a record is told of by whoever holds its lock already."""
