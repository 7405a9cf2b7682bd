"""The models of search.

A ``SearchIndex`` is one generation of a collection's index, an ``OutboxEntry`` a record that is
still to be indexed, and an ``IngestedRecord`` one that is nowhere else. ``index`` writes them, the
admin shows them.
"""

from neural.retrieval.models.outbox_entry import IndexShard, IngestedRecord, OutboxEntry
from neural.retrieval.models.search_index import IndexGap, IndexState, Search, SearchIndex

__all__ = [
    "IndexGap",
    "IndexShard",
    "IndexState",
    "IngestedRecord",
    "OutboxEntry",
    "Search",
    "SearchIndex",
]
