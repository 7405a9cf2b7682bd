"""The page of workers, in place of their list: who works on what, and who is gone."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _

from neural.admin.pages import page
from neural.admin.records.workers import STOP, WorkerProcessAdmin
from neural.ledger.clock import database_clock
from neural.models import WorkerProcess
from neural.monitoring.console import worker_facts
from neural.monitoring.console.page import page_context

if admin.site.is_registered(WorkerProcess):
    admin.site.unregister(WorkerProcess)


@page(WorkerProcess)
class WorkersAdmin(WorkerProcessAdmin):
    """The core's pages of workers, with the console's page first.

    The list of all workers ever is at the same address with a search (``?q=``).
    """

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The page; for htmx, the tables alone, which refresh by themselves."""
        if request.GET or request.method == "POST":
            return super().changelist_view(request, extra_context)
        if not self.has_view_permission(request):
            raise PermissionDenied
        now = database_clock()
        context = page_context(
            self,
            request,
            tab="workers",
            title=_("Workers"),
            present=worker_facts.present(request.user, now),
            gone=worker_facts.gone(request.user, now),
            may_stop=STOP.is_permitted(request.user),
            gone_days=worker_facts.GONE_DAYS,
        )
        context["media"] += Media(css={"all": ("neural/console-queues.css",)})
        is_part = request.headers.get("HX-Request") == "true"
        name = "workers_tables.html" if is_part else "workers.html"
        return TemplateResponse(
            request, f"neural/monitoring/{name}", context | (extra_context or {})
        )
