"""The search page of the admin: hits while one types, and why each was found."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.look_up import Answer, look_up
from neural.admin.pages import page
from neural.admin.panels import HTMX
from neural.admin.scope import ReadOnlyAdmin
from neural.admin.tabs import Tab, register_tab
from neural.models import Store
from neural.retrieval.admin.answer import answer_to, name_of
from neural.retrieval.admin.criteria import SearchCriteria, criteria_of
from neural.retrieval.admin.display import shown
from neural.retrieval.admin.overview import overview
from neural.retrieval.models import Search
from neural.sites import address_in_admin

STORES_LISTED = 200
NARROWING = ("collection", "store", "since", "until", "kind")

register_tab(Tab(name="search", label=gettext_lazy("Search"), model="neural_retrieval.search"))


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
        criteria = criteria_of(request.GET, request.user)
        context = self._context(request, criteria) | (extra_context or {})
        if request.headers.get("HX-Request") == "true":
            return TemplateResponse(request, "neural_retrieval/search_answer.html", context)
        return TemplateResponse(request, "admin/neural_retrieval/search_page.html", context)

    def _context(self, request: HttpRequest, criteria: SearchCriteria) -> dict[str, Any]:
        answer = answer_to(criteria) if criteria.asks else None
        return {
            **self.admin_site.each_context(request),
            "title": _("Search"),
            "opts": self.opts,
            "media": self.media,
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
