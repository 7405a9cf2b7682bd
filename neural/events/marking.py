"""Marking records for the search index, in the transaction that changes them.

What is marked is read, embedded and written to the index by a run of its own, later and outside
of that transaction (``neural.vectors.indexing``).
"""

from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from neural.models import IndexMark
from neural.runs.recompute import Recomputation
from neural.runs.work import works_on_history
from neural.vectors.conf import search_is_on


class Marked(NamedTuple):
    """A record, by its collection and the key by which search knows it."""

    history: bool
    collection: str
    key: str


def mark_for_search(*, collection: str, store: str, ids: Iterable[str]) -> None:
    """Have these records of a store taken up by the search index, soon after the caller's
    transaction has committed; records that are gone by then are taken out of it.

    ``collection`` is the name it was registered under. Inside a handler many calls cost one
    statement. Nothing happens while the setting ``search`` is off.
    """
    if search_is_on():
        history = works_on_history()
        MARKS.ask({Marked(history, collection, f"{store}/{name}") for name in ids})


def _mark(marked: list[Marked]) -> None:
    for (history, collection), group in groupby(marked, key=lambda each: each[:2]):
        keys = [each.key for each in group]
        IndexMark.objects.mark(collection, keys, history=history)


MARKS = Recomputation(rank=9, compute=_mark)
"""After all others: a record is marked by whoever holds its lock already."""
