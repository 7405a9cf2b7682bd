"""The criteria of the search page, read from the URL, and what a person may search.

A person may search the collections whose records they may see, in their own stores.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from neural.events.types import event_types
from neural.models.store import visible_stores
from neural.retrieval.collections.registry import SearchCollection, collections
from neural.retrieval.stores.base import Within

FEW = 20
MANY = 100
FEW_OF_EACH = 5
"""Hits that are shown: of one collection at first and at most, and of each collection if all are
searched."""
LONGEST_QUESTION = 400
"""A Chinese character takes nine characters in a URL, and gunicorn reads 4,094."""
EVENTS = "events"
ASKED = ("q", "collection", "store", "since", "until", "kind", "like")
"""The parameters that the URL may have."""
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
    like: str = ""
    """The key of a record: the search is for records similar to it."""
    top_k: int = FEW
    remarks: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether there is anything to search for."""
        return bool(self.text or self.like)

    @property
    def store_is_known(self) -> bool:
        """Whether the person may see the chosen store. True for all codes if they see every store:
        an ingested record may name a store that sends no events."""
        return self.stores is None or self.store in {"", *self.stores}

    @property
    def period(self) -> tuple[dt.date | None, dt.date | None]:
        """The first day and the last day, inclusive."""
        return _not_too_early(self.since), _not_too_early(self.until)

    @property
    def chosen(self) -> Sequence[SearchCollection]:
        """The collections to search."""
        return [each for each in self.collections if self.collection in ("", each.name)]

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds to choose from: event types for events, else only the chosen kind."""
        if self.collection != EVENTS:
            return [self.kind] if self.kind else []
        return sorted({each.name for each in event_types()} | ({self.kind} if self.kind else set()))

    def address(self, **changes: Any) -> str:
        """The query string of these criteria with some changes."""
        asked = {
            "q": self.text,
            "collection": self.collection,
            "store": self.store,
            "since": self.since and self.since.isoformat(),
            "until": self.until and self.until.isoformat(),
            "kind": self.kind,
            "like": self.like,
        }
        asked.update(changes)
        return "?" + urlencode({name: value for name, value in asked.items() if value})


def criteria_of(query: QueryDict, user: Any) -> SearchCriteria:
    """The criteria in a URL. A collection or store that the person may not search is treated as if
    it did not exist."""
    given = {name: query.get(name, "").replace("\x00", "").strip() for name in ASKED}
    criteria = SearchCriteria(
        text=given["q"][:LONGEST_QUESTION],
        collections=searchable_by(user),
        collection=given["collection"],
        store=given["store"],
        stores=stores_of(user),
        kind=given["kind"] if given["collection"] else "",
        like=given["like"],
        top_k=MANY if query.get("top") == str(MANY) else FEW,
    )
    if not criteria.chosen:
        values = {"name": criteria.collection}
        criteria.remarks.append(_("There is nothing named %(name)s that you may search.") % values)
    elif not criteria.store_is_known:
        values = {"code": criteria.store}
        criteria.remarks.append(_("There is no store %(code)s among yours.") % values)
    criteria.since = _day(given["since"], criteria.remarks)
    criteria.until = _day(given["until"], criteria.remarks)
    return criteria


def _day(text: str, remarks: list[str]) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        remarks.append(_("%(text)s is no day, and was left out.") % {"text": text[:40]})
        return None


def _not_too_early(day: dt.date | None) -> dt.date | None:
    return day and max(day, _EARLIEST)


# What a person may search


def searchable_by(user: Any) -> list[SearchCollection]:
    """The collections whose records this user may see."""
    return [each for each in collections() if may_see(user, each)]


def may_see(user: Any, collection: SearchCollection) -> bool:
    """Whether this user may see the collection's records, at least those of their own stores."""
    return not collection.permission or user.has_perm(collection.permission)


def stores_of(user: Any) -> frozenset[str] | None:
    """The codes of the user's stores; None if they see every store."""
    codes = visible_stores(user)
    return None if codes is None else frozenset(codes)


def within(stores: frozenset[str] | None) -> Within:
    """These stores as the limit of a query."""
    return Within.every_store() if stores is None else Within.of_stores(stores)
