"""The overview of what can be searched: the records of each collection, and how far its index is
behind."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

from django.utils.translation import gettext as _

from neural.admin.display import duration
from neural.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.retrieval.admin.answer import what_is_wrong
from neural.retrieval.admin.criteria import SearchCriteria, within
from neural.retrieval.collections.registry import SearchCollection
from neural.retrieval.index import active
from neural.retrieval.index.lag import Lag, counted, index_lag
from neural.retrieval.models import IndexState, SearchIndex


@dataclass(frozen=True)
class Searchable:
    """One collection. ``records`` counts those that the person may see; None if it is unknown."""

    collection: SearchCollection
    is_indexed: bool = False
    records: int | None = None
    lag: Lag = field(default_factory=Lag)
    notices: Sequence[str] = ()
    trouble: str = ""
    """Why the number of records is unknown."""

    @property
    def told(self) -> str:
        """How far its index is behind, in words."""
        if not self.is_indexed:
            return _("nothing has been indexed yet")
        return self.trouble or behind(self.lag)


def overview(criteria: SearchCriteria) -> list[Searchable]:
    """The collections that the person may search."""
    return [_searchable(each, criteria) for each in criteria.collections]


def _searchable(collection: SearchCollection, criteria: SearchCriteria) -> Searchable:
    try:
        found = active.active_index(collection.name)
        if found is None:
            return Searchable(collection)
        records = found.store.count(found.index.table, within=within(criteria.stores))
        lag = lag_of(collection.name, criteria.stores)
    except NeuralError as error:
        return Searchable(collection, is_indexed=True, trouble=what_is_wrong(error))
    return Searchable(collection, True, records, lag, found.notices)


def notices_of(index: SearchIndex) -> Sequence[str]:
    """Notices about an active index; empty for others."""
    return active.notices_of(index) if index.state == IndexState.ACTIVE else ()


def lag_of(collection: str, stores: frozenset[str] | None = None) -> Lag:
    """How far the index of a collection is behind, counting records of these stores (None: all)."""
    return index_lag(now=database_clock(), collection=collection, stores=stores)


def behind(lag: Lag) -> str:
    """The lag in words."""
    if not lag.waiting:
        return _("up to date")
    values = {
        "number": counted(lag.waiting),
        "time": duration(dt.timedelta(seconds=lag.oldest_seconds)),
    }
    return _("%(number)s waiting, the first for %(time)s") % values
