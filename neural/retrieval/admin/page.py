"""The search page of the admin: hits while one types, and why each was found; before that, the
collections. What the header's box suggests is part of it.
"""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from neural.admin.guards import address
from neural.admin.look_up import SUGGESTIONS, Answer, look_up
from neural.admin.pages import page
from neural.admin.panels import HTMX
from neural.admin.scope import ReadOnlyAdmin
from neural.admin.tabs import register_tab
from neural.kit.errors import NeuralError
from neural.kit.sites import address_in_admin
from neural.models import Store
from neural.retrieval.admin.answer import answer_to, what_is_wrong
from neural.retrieval.admin.criteria import (
    EVENTS,
    SearchCriteria,
    criteria_of,
)
from neural.retrieval.admin.display import suggested
from neural.retrieval.admin.indexes import behind
from neural.retrieval.collections.registry import SearchCollection
from neural.retrieval.index import active
from neural.retrieval.models import Search
from neural.retrieval.warming import warm_once

STORES_LISTED = 200
STYLES = ("neural/figures.css", "neural_retrieval/search.css")

register_tab("orders", "neural_retrieval.search", place=60, also=("neural_retrieval",))


@page(Search)
class SearchAdmin(ReadOnlyAdmin):
    """A search page in place of a list. Its hits are rows of other models."""

    answers_anything = True
    exported = False

    class Media:
        css = {"all": STYLES}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        """Empty: the model's rows are indexes, which have pages of their own."""
        return super().get_queryset(request).none()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, only the part that changes while one types."""
        criteria = self._criteria(request)
        context = self._context(request, criteria) | (extra_context or {})
        if request.headers.get("HX-Request") != "true":
            return self.own_page(request, "admin/neural_retrieval/search_page.html", **context)
        return TemplateResponse(request, "neural_retrieval/search_answer.html", context)

    @address("suggest/", SUGGESTIONS, require_safe)
    def suggest_view(self, request: HttpRequest) -> HttpResponse:
        """What is likely meant by what was typed so far: the list below the header's box."""
        criteria = self._criteria(request, is_typing=True)
        answer = answer_to(criteria)
        named = _named(criteria, request.user, without=("phone",))
        context = {
            "criteria": criteria,
            "answer": answer,
            "named": named,
            "suggestions": suggested(answer, named),
            "page_address": page_address(),
        }
        return TemplateResponse(request, "neural_retrieval/suggestions.html", context)

    def _criteria(self, request: HttpRequest, *, is_typing: bool = False) -> SearchCriteria:
        if not self.has_view_permission(request):
            raise PermissionDenied
        warm_once()
        return criteria_of(request.GET, request.user, is_typing=is_typing)

    def _context(self, request: HttpRequest, criteria: SearchCriteria) -> dict[str, Any]:
        return {
            "title": _("Search"),
            "live_media": HTMX,
            "page_address": page_address(),
            "criteria": criteria,
            "stores": _stores(request),
            "answer": answer_to(criteria) if criteria.asks else None,
            "named": _named(criteria, request.user),
            "sees_events": EVENTS in {each.name for each in criteria.collections},
            "overview": () if criteria.asks else overview(criteria),
        }


def page_address() -> str:
    return address_in_admin("neural_retrieval_search_changelist")


def overview(criteria: SearchCriteria) -> list[dict[str, Any]]:
    """The collections that the person may search: how many of their records are in the index, and
    how far it is behind."""
    return [
        {"collection": each, "records": None, **_standing_of(each, criteria.stores)}
        for each in criteria.collections
    ]


def _standing_of(collection: SearchCollection, stores: frozenset[str] | None) -> dict[str, Any]:
    try:
        found = active.active_index(collection.name)
        if found is None:
            return {"text": _("nothing has been indexed yet")}
        records = found.records(stores)
        text = behind(collection.name, stores)
    except NeuralError as error:
        return {"text": what_is_wrong(error)}
    return {"records": records, "text": text, "notices": found.notices}


def _named(criteria: SearchCriteria, user: Any, **options: Any) -> Answer | None:
    """What an id that was typed names, or that it names nothing; None for words to search for."""
    if not criteria.text or not criteria.store_is_known:
        return None
    if criteria.is_typing and not Answer(criteria.text).is_id:
        return None  # each key is asked for
    found = look_up(criteria.text, user, store=criteria.store, **options)
    return found if found.is_id or found.exact or found.near else None


def _stores(request: HttpRequest) -> list[Store] | None:
    """The user's stores to choose from; None if there are too many."""
    mine = Store.objects.for_user(request.user).only("code", "name").order_by("code")
    found = list(mine[: STORES_LISTED + 1])
    return found if len(found) <= STORES_LISTED else None
