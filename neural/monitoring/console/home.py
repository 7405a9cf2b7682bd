"""The home: one look says whether events flow, and who must act."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from neural.admin.pages import page
from neural.admin.scope import ReadOnlyAdmin
from neural.monitoring.console.page import page_context
from neural.monitoring.models import Examination


@page(Examination)
class ExaminationAdmin(ReadOnlyAdmin):
    """The home in place of a list. Its rows have no pages of their own."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the part that refreshes by itself."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = page_context(self, request, tab="home", title=_("Overview"))
        return TemplateResponse(
            request, "neural/monitoring/home.html", context | (extra_context or {})
        )
