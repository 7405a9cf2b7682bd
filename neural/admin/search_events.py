"""Similar events on an event's page: loaded when they come into sight, as search may be slow."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from neural.admin.scope import NeuralAdmin
from neural.admin.search import HTMX
from neural.admin.search_answer import answer_to
from neural.admin.search_display import shown
from neural.admin.search_question import EVENTS, FEW_OF_EACH, Question
from neural.admin.search_scope import searchable_by, stores_of
from neural.models import NeuralEvent
from neural.sites import address_in_admin
from neural.vectors.documents import key_of


class SimilarEvents(NeuralAdmin):
    """An admin of events with one address more, and its panel on an event's page."""

    class Media:
        css = {"all": ("neural/analysis.css", "neural/learning.css", "neural/search.css")}

    def get_urls(self) -> list[URLPattern]:
        """One address more: events like one."""
        view = self.admin_site.admin_view(self.similar_view)
        name = "neural_neuralevent_similar"
        return [path("<int:number>/similar/", view, name=name), *super().get_urls()]

    def similar_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """Events like this one in the user's own stores: for htmx a piece, else a page."""
        event = self.get_queryset(request).filter(pk=number).first()
        if event is None:
            raise Http404
        if not self.has_view_permission(request, event):
            raise PermissionDenied
        context = _context(event, request.user)
        if request.headers.get("HX-Request") == "true":
            return TemplateResponse(request, "neural/search_similar.html", context)
        context |= self.admin_site.each_context(request)
        context |= {"title": _("Similar events"), "opts": self.opts, "media": self.media}
        return TemplateResponse(request, "admin/neural/search_similar.html", context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """With the panel, where events can be searched."""
        event = kwargs.get("obj")
        if event is not None and event.pruned_at is None:
            context["live_media"] = HTMX
            context["similar_address"] = similar_address(event)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[return-value]


def similar_address(event: NeuralEvent) -> str:
    """Where events like this one are shown."""
    return address_in_admin("neural_neuralevent_similar", event.pk)


def _context(event: NeuralEvent, user: Any) -> dict[str, Any]:
    question = Question(
        like=key_of(store=event.store_id, id=str(event.pk)),
        collections=[each for each in searchable_by(user) if each.name == EVENTS],
        collection=EVENTS,
        stores=stores_of(user),
        top_k=FEW_OF_EACH,
    )
    answer = answer_to(question)
    return {
        "event": event,
        "question": question,
        "answer": answer,
        "sections": shown(answer, question, user),
        "page_address": address_in_admin("neural_search_changelist"),
    }
