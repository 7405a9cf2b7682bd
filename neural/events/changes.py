"""Notifies listeners of changed records, in the transaction that changes them.

The search index, if its app is installed, is such a listener. Without listeners nothing happens.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from neural.ledger.work import Recomputation, works_on_history
from neural.registry import Registry

Listener = Callable[[str, Sequence[str], bool], None]
"""Takes the name of a collection, the sorted keys of its changed records, and whether the change is
history (backfill). It is called in the transaction of the change."""

LISTENERS: Registry[Listener] = Registry("listener to changes")


class Changed(NamedTuple):
    """A changed record: its collection, its key there, and whether the change is history."""

    history: bool
    collection: str
    key: str


def register_listener(name: str, listener: Listener) -> None:
    """Call this function for all changed records, too."""
    LISTENERS.add(name, listener)


def reindex(*, collection: str, store: str, ids: Iterable[str]) -> None:
    """Update these records of a store in the search index, soon after the caller's transaction has
    committed. Records that do not exist by then are removed from the index.

    ``collection`` is the collection's registered name, ``store`` the store's code, ``ids`` the
    records' ids within the store. Many calls inside a handler cost one statement. Nothing happens
    if search is switched off or not installed.
    """
    keys = (f"{store}/{name}" for name in ids)
    record_changed(collection, keys, history=works_on_history())


def record_changed(collection: str, keys: Iterable[str], *, history: bool) -> None:
    """Notify listeners of changed records, by their keys: store code, slash, id. ``history`` marks
    changes that may wait behind all others."""
    if LISTENERS:
        CHANGES.ask({Changed(history, collection, key) for key in keys})


def _notify(changed: list[Changed]) -> None:
    for (history, collection), group in groupby(changed, key=lambda each: each[:2]):
        keys = [each.key for each in group]
        for listener in LISTENERS:
            listener(collection, keys, history)


CHANGES = Recomputation(rank=9, compute=_notify)
"""Computed after all others, when the transaction already holds the changed records' locks."""
