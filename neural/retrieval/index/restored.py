"""Detecting that an index is newer than the database.

This happens when the database was restored from a backup, or when a copy of it writes to the same
index. The database counts the writes of each index, and a vector store outside of the database
notes the greatest count beside the table. After a restore, the database's count is the lower one.

A count is committed before it is noted. A comparison reads the store's number first. So neither a
process that is killed in between nor one that writes meanwhile causes a false alarm.
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
"""The number that is noted once the database was found to be behind. No count reaches it, so
neither this database nor its copy trusts the index again before a rebuild."""


def count_writes(indexes: Sequence[SearchIndex]) -> None:
    """Count a write of each of these indexes, at the end of a slice of work. In a transaction of
    the caller, this happens when it commits."""
    if vector_store().notes_writes:
        for index in indexes:
            transaction.on_commit(partial(_count, index), robust=True)


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
        return  # the table was dropped meanwhile, or has no rows yet


def knows_more_than_database(index: SearchIndex) -> bool:
    """Whether a later state of the database, or a copy of it, has written to the index. False where
    that is unknown: no number was noted yet, or the store is unavailable."""
    if index.store_kind != conf().vector_store:
        return False
    try:
        store = vector_store()
        noted = store.writes_noted(index.table) if store.notes_writes else None
    except NeuralError:
        return False
    return noted is not None and noted > index.counted_writes()
