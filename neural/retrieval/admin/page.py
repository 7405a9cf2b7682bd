"""The search page of the admin: hits while one types, and why each was found; before that, the
collections.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.display import duration
from neural.admin.look_up import Answer, look_up
from neural.admin.pages import page
from neural.admin.panels import HTMX
from neural.admin.scope import ReadOnlyAdmin
from neural.admin.tabs import Tab, register_tab
from neural.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.models import Store
from neural.retrieval.admin.answer import answer_to, name_of, what_is_wrong
from neural.retrieval.admin.criteria import SearchCriteria, criteria_of, within
from neural.retrieval.admin.display import shown
from neural.retrieval.collections.registry import SearchCollection
from neural.retrieval.index import active
from neural.retrieval.index.lag import Lag, counted, index_lag
from neural.retrieval.models import IndexState, Search, SearchIndex
from neural.retrieval.warming import warm_once
from neural.sites import address_in_admin


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
    def text(self) -> str:
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


STORES_LISTED = 200
NARROWING = ("collection", "store", "since", "until", "kind")

register_tab(
    Tab(name="search", label=gettext_lazy("Search"), model="neural_retrieval.search", place=90)
)


@page(Search)
class SearchAdmin(ReadOnlyAdmin):
    """A search page in place of a list. Its hits are rows of other models."""

    answers_anything = True
    exported = False

    class Media:
        css = {"all": ("neural/figures.css", "neural_retrieval/search.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Empty: the model's rows are indexes, which have pages of their own."""
        return super().get_queryset(request).none()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, only the part that changes while one types."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        warm_once()
        criteria = criteria_of(request.GET, request.user)
        context = self._context(request, criteria) | (extra_context or {})
        if request.headers.get("HX-Request") == "true":
            return TemplateResponse(request, "neural_retrieval/search_answer.html", context)
        return self.own_page(request, "admin/neural_retrieval/search_page.html", **context)

    def _context(self, request: HttpRequest, criteria: SearchCriteria) -> dict[str, Any]:
        answer = answer_to(criteria) if criteria.asks else None
        return {
            "title": _("Search"),
            "live_media": HTMX,
            "page_address": address_in_admin("neural_retrieval_search_changelist"),
            "criteria": criteria,
            "stores": _stores(request),
            "answer": answer,
            "named": _named(criteria, request.user),
            "sections": shown(answer, criteria, request.user) if answer else (),
            "widest_address": criteria.address(**dict.fromkeys(NARROWING)),
            "like_name": name_of(criteria) if criteria.like else "",
            "overview": () if criteria.asks else overview(criteria),
        }


def _named(criteria: SearchCriteria, user: Any) -> Answer | None:
    """What an id that was typed names, or that it names nothing; None for words to search for."""
    if not criteria.text or not criteria.store_is_known:
        return None
    found = look_up(criteria.text, user, store=criteria.store)
    return found if found.is_id or found.exact or found.near else None


def _stores(request: HttpRequest) -> list[Store] | None:
    """The user's stores to choose from; None if there are too many."""
    mine = Store.objects.for_user(request.user).only("code", "name").order_by("code")
    found = list(mine[: STORES_LISTED + 1])
    return found if len(found) <= STORES_LISTED else None
