"""The criteria of the search page, read from the URL, and what a person may search.

A person may search the collections whose records they may see, in their own stores.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from neural.events.types import event_types
from neural.kit.storable import storable
from neural.models.store import visible_stores
from neural.retrieval.collections.registry import SearchCollection, collections
from neural.retrieval.query.searching import BEST, SORTS

FEW, MANY = 20, 100
FEW_OF_EACH, FEW_SUGGESTED = 5, 3
"""Hits that are shown: of one collection at first and at most, of each collection if all are
searched, and of each while one types."""
LONGEST_QUESTION = 400
"""A Chinese character takes nine characters in a URL, and gunicorn reads 4,094."""
EVENTS = "events"
ASKED = ("q", "collection", "store", "since", "until", "kind", "sort")
"""The parameters that the URL may have, beside the number of hits."""
_EARLIEST = dt.date(1970, 1, 2)
"""While a year is typed, browsers send the years 2 and 20, for which time zones are undefined."""


@dataclass(kw_only=True)
class SearchCriteria:
    """What to search for, and where. ``remarks`` say which parameters were ignored or unknown."""

    text: str = ""
    collections: Sequence[SearchCollection] = ()
    collection: str = ""
    """The name of the chosen collection; empty: all that the person may search."""
    store: str = ""
    stores: frozenset[str] | None = frozenset()
    """The codes of the stores that the person may see; None: every store."""
    since: dt.date | None = None
    until: dt.date | None = None
    """The last day, inclusive."""
    kind: str = ""
    sort: str = BEST
    is_typing: bool = False
    """Whether the answer is for who still types: the likeliest, and nothing by meaning."""
    top: int = FEW_OF_EACH
    """The most hits of each collection."""
    remarks: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self.text)

    @property
    def store_is_known(self) -> bool:
        """Whether the person may see the chosen store. True for all codes if they see every store:
        an ingested record may name a store that sends no events."""
        return self.stores is None or self.store in {"", *self.stores}

    @property
    def chosen(self) -> Sequence[SearchCollection]:
        """The collections to search."""
        return [each for each in self.collections if self.collection in ("", each.name)]

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds to choose from: event types for events, else only the chosen kind."""
        types = {each.name for each in event_types()} if self.collection == EVENTS else set()
        return sorted({*types, self.kind} - {""})

    def widened(self) -> "SearchCriteria":
        """The same in everything, all stores and at any time."""
        if self.is_typing:
            return self
        everywhere: dict[str, Any] = {"collection": "", "store": "", "kind": "", "top": FEW_OF_EACH}
        return replace(self, since=None, until=None, **everywhere)


def criteria_of(query: QueryDict, user: Any, *, is_typing: bool = False) -> SearchCriteria:
    """The criteria in a URL. A collection or store that the person may not search is treated as if
    it did not exist."""
    given = {name: storable(query.get(name, ""), "").strip() for name in ASKED}
    codes = visible_stores(user)
    criteria = SearchCriteria(
        text=given["q"][:LONGEST_QUESTION],
        collections=searchable_by(user),
        collection=given["collection"],
        store=given["store"],
        stores=None if codes is None else frozenset(codes),
        kind=given["kind"] if given["collection"] else "",
        sort=given["sort"] if given["sort"] in SORTS else BEST,
        is_typing=is_typing,
        top=FEW_SUGGESTED if is_typing else _top(query.get("top"), given["collection"]),
    )
    remarks = criteria.remarks
    if not criteria.chosen:
        values = {"name": criteria.collection}
        remarks.append(_("There is nothing named %(name)s that you may search.") % values)
    elif not criteria.store_is_known:
        remarks.append(_("There is no store %(code)s among yours.") % {"code": criteria.store})
    criteria.since, criteria.until = (_day(given[name], remarks) for name in ("since", "until"))
    return criteria


def _top(asked: str | None, collection: str) -> int:
    if not collection:
        return FEW_OF_EACH
    return next((each for each in (FEW_OF_EACH, MANY) if asked == str(each)), FEW)


def _day(text: str, remarks: list[str]) -> dt.date | None:
    try:
        return max(dt.date.fromisoformat(text), _EARLIEST) if text else None
    except ValueError:
        remarks.append(_("%(text)s is no day, and was left out.") % {"text": text[:40]})
        return None


def searchable_by(user: Any) -> list[SearchCollection]:
    """The collections whose records this user may see, at least those of their own stores."""
    return [each for each in collections() if not each.permission or user.has_perm(each.permission)]
