"""A temporary search index for the tests of apps that can be searched."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.test.utils import override_settings

from neural.ledger.dialects import ledger_connection
from neural.retrieval.choosing import vector_store
from neural.retrieval.index.scheduling import schedule_indexing
from neural.retrieval.models import SearchIndex
from neural.worker.in_process import also_doing

UNHURRIED = {"index_run_seconds": 3600.0}
"""However slow the machine is, one run indexes everything that waits."""


@contextmanager
def temporary_search_index(**changes: Any) -> Iterator[None]:
    """Let :func:`neural.run_due` index the outbox and :func:`neural.search` find it, in a temporary
    index.

    Search is switched on, with the vector store and the embedder of the settings or those in
    ``changes`` (of ``NEURAL``). Its tables are dropped at the end, with the rows that name them.
    Use it with ``with``, as a decorator, or in ``setUp``: ``self.enterContext(…)``.
    """
    chosen = {**getattr(settings, "NEURAL", {}), "search": True, **UNHURRIED, **changes}
    asking = also_doing(schedule_indexing)
    with override_settings(NEURAL=chosen), _dropping_what_is_new(), asking:
        yield


@contextmanager
def _dropping_what_is_new() -> Iterator[None]:
    tables = set(vector_store().tables())
    indexes = set(SearchIndex.objects.values_list("pk", flat=True))
    try:
        yield
    finally:
        try:
            SearchIndex.objects.exclude(pk__in=indexes).delete()
            for table in set(vector_store().tables()) - tables:
                vector_store().drop(table)
        except DatabaseError:
            # If a test's transaction has failed, it is rolled back as a whole, including these
            # tables.
            if not ledger_connection().in_atomic_block:
                raise
