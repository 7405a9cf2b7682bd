"""Whether an index knows more than the database: it was restored from a backup, or a copy of it
writes to the same index.

The database counts the writes of each index, a store that is not part of it notes the greatest
number beside the table. After a restore the database's number is the lower one. It is counted and
committed before it is noted, and compared the other way round: the store's number is read first.
So nobody who is killed in between, and no process that writes meanwhile, makes it look restored.
"""

import logging
from collections.abc import Sequence
from functools import partial

from django.db import transaction

from neural.errors import NeuralError
from neural.retrieval.choosing import vector_store
from neural.retrieval.conf import conf
from neural.retrieval.models import SearchIndex
from neural.retrieval.stores.base import TableMissing

logger = logging.getLogger(__name__)

FOR_GOOD = 2**62
"""Noted once the database was found behind: no count comes up to it, so that neither this database
nor a copy of it takes the index for its own before it is rebuilt."""


def count_writes(indexes: Sequence[SearchIndex]) -> None:
    """Count that rows of these indexes were written: once a slice of work, at its end. Within a
    caller's transaction it waits for its commit."""
    if vector_store().notes_writes:
        for index in indexes:
            transaction.on_commit(partial(_count, index))


def _count(index: SearchIndex) -> None:
    store = vector_store()
    try:
        noted = store.writes_noted(index.table)
        number = index.count_write()
        if noted is not None and FOR_GOOD > noted >= number:
            logger.warning("event=index_knows_more_than_database collection=%s", index.collection)
            number = FOR_GOOD
        store.note_writes(index.table, number)
    except TableMissing:
        return  # it was dropped meanwhile, or has no rows yet


def knows_more_than_database(index: SearchIndex) -> bool:
    """Whether the index was written by a later state of the database, or by a copy of it. False
    where that cannot be told: no number was noted yet, or the store is away."""
    if index.store_kind != conf().vector_store:
        return False
    try:
        store = vector_store()
        noted = store.writes_noted(index.table) if store.notes_writes else None
    except NeuralError:
        return False
    return noted is not None and noted > index.counted_writes()
