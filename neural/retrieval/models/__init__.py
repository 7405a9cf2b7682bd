"""The models of search, one per file."""

from neural.retrieval.models.index_gap import IndexGap
from neural.retrieval.models.index_shard import IndexShard
from neural.retrieval.models.ingested_record import IngestedRecord
from neural.retrieval.models.outbox_entry import OutboxEntry
from neural.retrieval.models.search_index import IndexState, Search, SearchIndex

__all__ = [
    "IndexGap",
    "IndexShard",
    "IndexState",
    "IngestedRecord",
    "OutboxEntry",
    "Search",
    "SearchIndex",
]
