"""The models, one story a file."""

from neural.retrieval.models.index_gap import IndexGap
from neural.retrieval.models.index_lane import IndexLane
from neural.retrieval.models.index_mark import IndexMark
from neural.retrieval.models.search_index import IndexState, Search, SearchIndex
from neural.retrieval.models.supplied_record import SuppliedRecord

__all__ = [
    "IndexGap",
    "IndexLane",
    "IndexMark",
    "IndexState",
    "Search",
    "SearchIndex",
    "SuppliedRecord",
]
