"""The home: one look says whether events flow, and who must act."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import mark_safe
from django.utils.translation import gettext as _

from neural.admin.pages import page
from neural.admin.scope import ReadOnlyAdmin
from neural.monitoring.console.overview import overview
from neural.monitoring.console.page import page_context
from neural.monitoring.console.remembering import remembered
from neural.monitoring.console.spans import LAST_DAY, LAST_HOUR, LAST_WEEK
from neural.monitoring.console.viewers import Viewer
from neural.monitoring.models import Examination

SECONDS = 5
"""For how long what was made for one viewer is shown to others, too."""
SPANS = {span.name for span in (LAST_HOUR, LAST_DAY, LAST_WEEK)}


@page(Examination)
class ExaminationAdmin(ReadOnlyAdmin):
    """The home in place of a list. Its rows have no pages of their own: they hold what probes and
    relays found of every store."""

    def get_urls(self) -> list[URLPattern]:
        """The home alone."""
        view = self.admin_site.admin_view(self.changelist_view)
        return [path("", view, name="neural_monitoring_examination_changelist")]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the part that refreshes by itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        live = live_part(Viewer(request, self.admin_site), request)
        if request.headers.get("HX-Request") == "true":
            return HttpResponse(live)
        context = page_context(self, request, tab="home", title=_("Home"), live=live)
        return TemplateResponse(
            request,
            "neural/monitoring/home.html",
            context | {"hides_title": True} | (extra_context or {}),
        )


def live_part(viewer: Viewer, request: HttpRequest) -> str:
    """The part of the page that refreshes, for the span and queue of the address.

    It holds nothing of the one who asks (a form's token is outside of it), so that it is made once
    for all who see the same.
    """
    span, queue = request.GET.get("span", ""), request.GET.get("queue", "")
    span, queue = span if span in SPANS else "", queue[:100]

    def make() -> str:
        context = overview(viewer, span=span, queue=queue) | {"path": request.path, "queue": queue}
        return render_to_string("neural/monitoring/home_live.html", context)

    return mark_safe(remembered(viewer.key(request.path, span, queue), make, seconds=SECONDS))  # noqa: S308 (rendered by a template)
