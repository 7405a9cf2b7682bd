"""What a person asks of the search page, read from the address, and what they may search:
collections whose records they may see, rows of their own stores."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.utils.translation import gettext as _

from neural.events.types import event_types
from neural.models import Store
from neural.models.store import sees_every_store
from neural.retrieval.collections.registry import SearchCollection, collections
from neural.retrieval.stores.base import Within

FEW = 20
MANY = 100
FEW_OF_EACH = 5
"""Hits that are shown: of one collection at first and at most, of each where all are searched."""
LONGEST_QUESTION = 400
"""Of Chinese each character is nine in an address, and gunicorn reads 4,094 of them."""
EVENTS = "events"
ASKED = ("q", "collection", "store", "since", "until", "kind", "like")
"""Names of what the address may say."""
_EARLIEST = dt.date(1970, 1, 2)
"""While a year is typed, browsers send the year 2 and the year 20: no zone reaches back there."""


@dataclass(kw_only=True)
class SearchCriteria:
    """What is looked for, and where. ``remarks`` are what could not be read."""

    text: str = ""
    collections: Sequence[SearchCollection] = ()
    collection: str = ""
    """Name of the chosen one; empty: all that the person may search."""
    store: str = ""
    stores: frozenset[str] | None = frozenset()
    """Codes of what the person may see; None: every store."""
    since: dt.date | None = None
    until: dt.date | None = None
    """The last day."""
    kind: str = ""
    like: str = ""
    """Key of a record: others like it are looked for."""
    top_k: int = FEW
    remarks: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether anything is looked for."""
        return bool(self.text or self.like)

    @property
    def store_is_known(self) -> bool:
        """Whether the chosen store is one of the person's own. For who sees all it is: a record
        that was ingested may name a store that sends no events."""
        return self.stores is None or self.store in {"", *self.stores}

    @property
    def period(self) -> tuple[dt.date | None, dt.date | None]:
        """The first day and the last."""
        return _not_too_early(self.since), _not_too_early(self.until)

    @property
    def chosen(self) -> Sequence[SearchCollection]:
        """The collections that are searched."""
        return [each for each in self.collections if self.collection in ("", each.name)]

    @property
    def kinds(self) -> Sequence[str]:
        """Kinds that can be chosen: types of events, else the one that is."""
        if self.collection != EVENTS:
            return [self.kind] if self.kind else []
        return sorted({each.name for each in event_types()} | ({self.kind} if self.kind else set()))

    def address(self, **changes: Any) -> str:
        """The query string of a question like this one."""
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
    """What this person asks. What they may not search is not there, as if it did not exist."""
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
    """Whether this user may see the collection's records, those of their stores at least."""
    return not collection.permission or user.has_perm(collection.permission)


def stores_of(user: Any) -> frozenset[str] | None:
    """Codes of the user's stores; None for one who sees every store."""
    if sees_every_store(user):
        return None
    return frozenset(Store.objects.for_user(user).values_list("pk", flat=True))


def within(stores: frozenset[str] | None) -> Within:
    """The same as a limit of queries."""
    return Within.every_store() if stores is None else Within.of_stores(stores)
