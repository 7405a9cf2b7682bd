"""The addresses of the list: the page, the parts that are loaded after it, and its saved views."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Media
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.paging import key_in
from neural.admin.runs_list.acting import acts_of
from neural.admin.runs_list.asked import NEWEST, SHOWN, asked_by
from neural.admin.runs_list.pages import MOST_NEW, loaded, new_since
from neural.admin.runs_list.rows import rows_of
from neural.admin.runs_list.saving import SavedViews
from neural.admin.runs_list.shown import figures_context, list_context
from neural.sites import address_in_admin

TEMPLATES = "admin/neural/runs"
MEDIA = Media(
    css={"all": ("neural/admin.css", "neural/runs.css")},
    js=("neural/runs.js", "neural/runs-live.js"),
)


class RunsList(SavedViews, admin.ModelAdmin):
    """The list of runs in place of Django's own."""

    def get_urls(self) -> list[URLPattern]:
        """Django's addresses, and those of the parts and of saved views."""
        view = self.admin_site.admin_view
        return [
            path("figures/", view(self.figures_view), name="neural_taskrun_figures"),
            path("live/", view(self.live_view), name="neural_taskrun_live"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; a posted selection goes to the verbs."""
        self._must_see(request)
        if request.method == "POST":
            return self._acted_on(request)
        context = {
            **self.admin_site.each_context(request),
            **list_context(asked_by(request.GET, request.user), request, size=self.list_per_page),
            "is_nav_sidebar_enabled": False,
            "opts": self.opts,
            "title": _("Runs"),
            "media": self.media + MEDIA,
            **(extra_context or {}),
        }
        return TemplateResponse(request, f"{TEMPLATES}/list.html", context)

    def _acted_on(self, request: HttpRequest) -> HttpResponse:
        """Let Django act on a selection; it answers with a redirect, unless nothing was chosen."""
        response = super().changelist_view(request)
        if isinstance(response, TemplateResponse) and response.status_code == 200:
            return HttpResponseRedirect(address_in_admin("neural_taskrun_changelist"))
        return response

    @method_decorator(require_safe)
    def figures_view(self, request: HttpRequest) -> HttpResponse:
        """The tabs with their counts, and the histogram: they may take longer than the page."""
        self._must_see(request)
        context = figures_context(asked_by(request.GET, request.user))
        return TemplateResponse(request, f"{TEMPLATES}/figures.html", context)

    @method_decorator(require_safe)
    def live_view(self, request: HttpRequest) -> HttpResponse:
        """The rows that are shown, as they are now, and how many new ones would come before."""
        self._must_see(request)
        asked = asked_by(request.GET, request.user)
        keys = [key_in(text) for text in request.GET.get(SHOWN, "").split(",")[:MOST_NEW]]
        runs = loaded([key for key in keys if key is not None], request.user)
        context = {
            "new": new_since(asked, key_in(request.GET.get(NEWEST)) or 0),
            "rows": rows_of(runs, request.user),
            "newest_address": asked.address(),
            "acts": acts_of(asked, request.user),
        }
        return TemplateResponse(request, f"{TEMPLATES}/live.html", context)

    def _must_see(self, request: HttpRequest) -> None:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
