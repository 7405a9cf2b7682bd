"""The models of search.

A ``SearchIndex`` is one generation of a collection's index, an ``OutboxEntry`` a record that is
still to be indexed, and an ``IngestedRecord`` one that is nowhere else. A ``SearchRow`` is a record
in an index, a ``SearchTerm`` a word of its vocabulary, and a ``StoredVector`` the vector of a
record. ``index`` writes them, ``query`` reads the last three, and the admin shows the first three.
"""

from neural.retrieval.models.outbox_entry import IndexShard, IngestedRecord, OutboxEntry
from neural.retrieval.models.search_index import IndexState, Search, SearchIndex
from neural.retrieval.models.search_row import SearchPiece, SearchRow, SearchTerm
from neural.retrieval.models.stored_vector import StoredVector, VectorColumn

__all__ = [
    "IndexShard",
    "IndexState",
    "IngestedRecord",
    "OutboxEntry",
    "Search",
    "SearchIndex",
    "SearchPiece",
    "SearchRow",
    "SearchTerm",
    "StoredVector",
    "VectorColumn",
]
