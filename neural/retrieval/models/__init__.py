"""The models of search, one per file."""

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
