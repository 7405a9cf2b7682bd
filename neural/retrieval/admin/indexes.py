"""The admin pages of search indexes: which one is searched, how large it is, and the progress of a
rebuild."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.decorators import method_decorator
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_safe

from neural.admin.actions import VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    instant_column,
    json_column,
    link,
    of_bytes,
    short_instant_column,
)
from neural.admin.pages import page
from neural.admin.panels import HTMX
from neural.admin.scope import SearchedByNumber
from neural.models import TaskRun
from neural.retrieval.admin.overview import behind, lag_of, notices_of
from neural.retrieval.admin.shared import CANCEL, REBUILD, CollectionFilter, IndexStateFilter
from neural.retrieval.index.lag import all_notices_of, why_it_waits, why_nobody_builds_it
from neural.retrieval.models import IndexState, SearchIndex
from neural.sites import address_in_admin


@page(SearchIndex)
class SearchIndexAdmin(VerbsAdmin, SearchedByNumber):
    """An index belongs to no store and shows no data of any, so the page is not limited to
    stores."""

    verbs = (REBUILD, CANCEL)
    list_display = (
        "name",
        "collection",
        "state_shown",
        "behind",
        "rows_shown",
        "size_shown",
        "embedder",
        short_instant_column(SearchIndex, "activated_at"),
    )
    list_filter = (CollectionFilter, IndexStateFilter)
    search_keys = ("pk",)
    search_help_text = gettext_lazy("The number of an index.")
    fieldsets = (
        (None, {"fields": ("collection", "state_badge", "behind", "embedder", "dimensions")}),
        (
            gettext_lazy("Size"),
            {
                "fields": (
                    ("rows_shown", "unindexed_shown"),
                    "size_shown",
                    instant_column(SearchIndex, "compacted_at"),
                )
            },
        ),
        (
            gettext_lazy("Course"),
            {
                "fields": (
                    ("records_done", "records_total"),
                    "requested_by",
                    "run",
                    (
                        instant_column(SearchIndex, "created_at"),
                        instant_column(SearchIndex, "activated_at"),
                        instant_column(SearchIndex, "ended_at"),
                    ),
                )
            },
        ),
        (
            gettext_lazy("How it is made"),
            {
                "fields": (
                    "store_kind",
                    "table",
                    json_column(SearchIndex, "vectors"),
                    "token_form",
                )
            },
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_retrieval/search.css")}

    # The progress of an index that is being built

    def get_urls(self) -> list[URLPattern]:
        """Adds the URL of the progress of an index, as an HTML fragment."""
        view = self.admin_site.admin_view(self.progress_view)
        name = "neural_retrieval_searchindex_progress"
        return [path("<int:number>/progress/", view, name=name), *super().get_urls()]

    @method_decorator(require_safe)
    def progress_view(self, request: HttpRequest, number: int) -> HttpResponse:
        """The fragment that refreshes itself. When the index is built, the whole page is loaded
        again."""
        index = self.get_queryset(request).filter(pk=number).first()
        if index is None:
            raise Http404
        if not self.has_view_permission(request, index):
            raise PermissionDenied
        answer = TemplateResponse(
            request, "neural_retrieval/search_progress.html", _progress(index)
        )
        if index.state != IndexState.BUILDING:
            answer.headers["HX-Refresh"] = "true"
        return answer

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> TemplateResponse:
        """Adds the progress of the index, and notices about it."""
        index: SearchIndex | None = kwargs.get("obj")
        if index is not None:
            context |= _progress(index)
            context["live_media"] = HTMX if index.state == IndexState.BUILDING else ""
            is_active = index.state == IndexState.ACTIVE
            context["notices"] = all_notices_of(index) if is_active else ()
            why = why_it_waits(index) or why_nobody_builds_it(index)
            if why and REBUILD.is_permitted(request.user):
                context["notices"] = [why]
        return super().render_change_form(request, context, *args, **kwargs)

    # Columns

    @admin.display(description=gettext_lazy("index"))
    def name(self, index: SearchIndex) -> str:
        return f"#{index.pk}"

    @admin.display(description=gettext_lazy("state"))
    def state_badge(self, index: SearchIndex) -> SafeString:
        return badge(index.state, index.get_state_display())

    @admin.display(description=gettext_lazy("state"))
    def state_shown(self, index: SearchIndex) -> SafeString:
        """The badge of the state, with a progress bar or the notices below it."""
        shown = self.state_badge(index)
        if index.state == IndexState.BUILDING:
            return format_html("{}{}", shown, _bar(index))
        notices = ((notice,) for notice in notices_of(index))
        return format_html("{}{}", shown, format_html_join("", "<br><small>{}</small>", notices))

    @admin.display(description=gettext_lazy("rows"))
    def rows_shown(self, index: SearchIndex) -> str:
        return f"{index.rows:,}"

    @admin.display(description=gettext_lazy("rows outside of its indexes"))
    def unindexed_shown(self, index: SearchIndex) -> str:
        return f"{index.unindexed_rows:,}"

    @admin.display(description=gettext_lazy("size"))
    def size_shown(self, index: SearchIndex) -> str:
        return of_bytes(index.bytes) if index.bytes else NOTHING

    @admin.display(description=gettext_lazy("how far behind"))
    def behind(self, index: SearchIndex) -> str:
        """The lag of the active index; the others are not searched."""
        return behind(lag_of(index.collection)) if index.state == IndexState.ACTIVE else NOTHING

    @admin.display(description=gettext_lazy("run"))
    def run(self, index: SearchIndex) -> SafeString | str:
        found = TaskRun.objects.filter(task_id=index.task_id).first() if index.task_id else None
        return link(found)


def _bar(index: SearchIndex) -> SafeString:
    share, whole = min(index.records_done, index.records_total), max(index.records_total, 1)
    bar = '<progress max="{}" value="{}" aria-label="{}"></progress>'
    return format_html(bar, whole, share, _("progress"))


def _progress(index: SearchIndex) -> dict[str, Any]:
    return {
        "index": index,
        "done": min(index.records_done, index.records_total),
        "total": max(index.records_total, 1),
        "progress_address": address_in_admin("neural_retrieval_searchindex_progress", index.pk),
    }
