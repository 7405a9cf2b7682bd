"""Similar events on an event's page. They load when they scroll into view, because search may be
slow."""

from collections.abc import Mapping
from typing import Any

from django.contrib.admin import ModelAdmin
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from neural.admin.panels import Panel, register_panel
from neural.models import NeuralEvent
from neural.retrieval.admin.answer import answer_to
from neural.retrieval.admin.criteria import (
    EVENTS,
    FEW_OF_EACH,
    SearchCriteria,
    searchable_by,
    stores_of,
)
from neural.retrieval.admin.display import shown
from neural.retrieval.collections.documents import key_of
from neural.sites import address_in_admin

STYLES = Media(css={"all": ("neural/figures.css", "neural_retrieval/search.css")})


def similar_address(event: NeuralEvent) -> str:
    """The URL of the events similar to this one."""
    return address_in_admin("neural_neuralevent_similar", event.pk)


def _panel(request: HttpRequest, event: NeuralEvent) -> Mapping[str, Any] | None:
    """None for a pruned event, because it has no payload to compare."""
    return None if event.pruned_at else {"address": similar_address(event)}


def _addresses(model_admin: ModelAdmin) -> list[URLPattern]:
    @require_safe
    def view(request: HttpRequest, number: int) -> HttpResponse:
        return _similar(model_admin, request, number)

    guarded = model_admin.admin_site.admin_view(view)
    return [path("<int:number>/similar/", guarded, name="neural_neuralevent_similar")]


def _similar(model_admin: Any, request: HttpRequest, number: int) -> HttpResponse:
    """Events similar to this one in the user's own stores: a fragment for htmx, else a page."""
    event = model_admin.row_or_404(request, number)
    context = _context(event, request.user)
    if request.headers.get("HX-Request") == "true":
        return TemplateResponse(request, "neural_retrieval/search_similar.html", context)
    return model_admin.own_page(
        request,
        "admin/neural_retrieval/search_similar.html",
        title=_("Similar events"),
        media=model_admin.media + STYLES,
        **context,
    )


def _context(event: NeuralEvent, user: Any) -> dict[str, Any]:
    criteria = SearchCriteria(
        like=key_of(store=event.store_id, id=str(event.pk)),
        collections=[each for each in searchable_by(user) if each.name == EVENTS],
        collection=EVENTS,
        stores=stores_of(user),
        top_k=FEW_OF_EACH,
    )
    answer = answer_to(criteria)
    return {
        "event": event,
        "criteria": criteria,
        "answer": answer,
        "sections": shown(answer, criteria, user),
        "page_address": address_in_admin("neural_retrieval_search_changelist"),
    }


register_panel(
    Panel(
        name="similar",
        model=NeuralEvent,
        title=gettext_lazy("Similar events"),
        template="neural_retrieval/similar_panel.html",
        context=_panel,
        addresses=_addresses,
        media=STYLES,
        is_live=True,
    )
)
