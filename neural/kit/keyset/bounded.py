"""One page of a list, found along walks. The rows it reads are bounded, however large the table is.

If the walks do not fill the page, it says where it stopped, and the next page continues there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from neural.kit.keyset.walks import (
    WHOLE_TABLE,
    Place,
    Walk,
    along,
    ends,
    indexes_alone,
    order_of,
)

MOST_ROWS = 2500
"""Rows that a walk reads for one page: about 10 ms on PostgreSQL when they are in memory."""


@dataclass(frozen=True)
class KeyPage:
    """The keys of a page's rows, newest first. ``more`` says whether there are rows beyond.
    ``stopped_at`` is the key at which the search stopped before it had a page or all rows."""

    keys: Sequence[int]
    more: bool
    stopped_at: int | None = None


def find(
    queryset: QuerySet,
    *,
    walks: Sequence[Walk],
    limits: Collection[str],
    place: Place,
    size: int,
) -> KeyPage:
    """The page of a query at a place, by the first walk that finds all of it.

    ``limits`` names every parameter that filters the query. A walk itself handles its own ones, but
    no other.
    """
    page, tried = _Page(queryset, place, size), []
    if not limits:
        return page.of_few()  # the newest rows by key
    with indexes_alone(queryset.db):
        for walk in walks or [WHOLE_TABLE]:
            found = page.along(walk, is_filtered=bool(set(limits) - walk.handles))
            if found.stopped_at is None:
                return found
            tried.append(found)
    return max(tried, key=lambda found: len(found.keys))


def page_of_few(queryset: QuerySet, *, place: Place, size: int) -> KeyPage:
    """The page of a query that is known to match few rows."""
    return _Page(queryset, place, size).of_few()


@dataclass(frozen=True)
class _Page:
    queryset: QuerySet
    place: Place
    size: int

    def along(self, walk: Walk, *, is_filtered: bool) -> KeyPage:
        if walk.column and not walk.prefixes:
            return KeyPage([], more=False)
        if not walk.is_by_key:
            return self._all_of(walk)
        wanted = self.size + 1
        prefixes = max(len(walk.prefixes), 1)
        most = max(wanted, MOST_ROWS // prefixes) if is_filtered else wanted
        keys = self._keys(walk, most)
        if not is_filtered or (prefixes == 1 and len(keys) == wanted):
            return self._page(keys)
        return self._cut(keys, ends(self.queryset.model, walk, self.place, most))

    def of_few(self) -> KeyPage:
        return self._page(self._first(self.queryset))

    def _all_of(self, walk: Walk) -> KeyPage:
        """All rows of an index in another order, if they are few; else the rows by key."""
        most = max(MOST_ROWS // max(len(walk.prefixes), 1), 1)
        if ends(self.queryset.model, walk, self.place, most):
            return self.along(WHOLE_TABLE, is_filtered=True)
        return self._page(self._keys(walk, most))

    def _keys(self, walk: Walk, most: int) -> list[int]:
        """The keys in the direction of paging, one more than a page holds."""
        rows = along(self.queryset, walk, self.place, most)
        if walk.is_by_key and len(walk.prefixes) < 2:
            # In the index's own words, so that the database need not read them all to sort them.
            return self._first(rows, *order_of(self.queryset.model, walk, self.place))
        return self._first(rows)

    def _first(self, queryset: QuerySet, *order: str) -> list[int]:
        by_key = "pk" if self.place.rises else "-pk"
        placed = queryset.select_related(None).filter(self.place.condition)
        placed = placed.order_by(*(order or (by_key,)))
        return list(placed.values_list("pk", flat=True)[: self.size + 1])

    def _cut(self, keys: list[int], stops: list[int]) -> KeyPage:
        """Drop keys beyond the nearest end of a prefix: there, rows of that prefix are missing."""
        if not stops:
            return self._page(keys)
        stop = min(stops) if self.place.rises else max(stops)
        whole = [key for key in keys if (key <= stop if self.place.rises else key >= stop)]
        if len(whole) > self.size:
            return self._page(whole)
        return KeyPage(self._newest_first(whole), more=True, stopped_at=stop)

    def _page(self, keys: list[int]) -> KeyPage:
        return KeyPage(self._newest_first(keys[: self.size]), more=len(keys) > self.size)

    def _newest_first(self, keys: list[int]) -> list[int]:
        return keys[::-1] if self.place.rises else keys
