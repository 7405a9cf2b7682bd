"""Watches the demo's records become searchable, and searches them at the end."""

from typing import Any

import neural
from neural.ledger.clock import database_clock
from neural.retrieval.index.active import active_index
from neural.retrieval.index.lag import index_lag
from neural.retrieval.models import OutboxEntry, SearchIndex
from neural.retrieval.stores.base import Within

ASKED, COLLECTION = "egg tart", "orders"
SHOWN = 3


class Searching:
    """Checks from time to time how much has yet to be indexed."""

    def __init__(self) -> None:
        self.most = 0
        self.waiting = 0
        self.is_through = False
        self.why_not = ""

    def look(self) -> int:
        """The number of records that are not indexed yet."""
        self.waiting = OutboxEntry.objects.waiting().count()
        self.most = max(self.most, self.waiting)
        self.is_through = not self.waiting
        if self.waiting and (troubles := index_lag(now=database_clock()).troubles):
            self.why_not, self.is_through = troubles[0], True
        return self.waiting

    def report(self) -> dict[str, Any]:
        """What can be searched, and what a search finds."""
        found = [] if self.why_not else neural.search(ASKED, COLLECTION, top_k=SHOWN)
        return {
            "records": {} if self.why_not else counts(),
            "waiting": self.waiting,
            "why_not": self.why_not,
            "asked": ASKED,
            "collection": COLLECTION,
            "found": [
                {"id": hit.id, "store": hit.store, "text": hit.text, "names": list(hit.why.names)}
                for hit in found
            ],
            "ok": not self.waiting and bool(found),
        }


def counts() -> dict[str, int]:
    """How many records of each collection can be found."""
    names = SearchIndex.objects.active().values_list("collection", flat=True)
    indexes = (active for name in names if (active := active_index(name)))
    return {
        each.index.collection: each.store.count(each.index.table, within=Within(stores=None))
        for each in indexes
    }
