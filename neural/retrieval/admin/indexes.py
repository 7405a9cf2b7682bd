"""The admin pages of search indexes: which one is searched, how large it is, and the progress of a
rebuild.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from neural.admin.actions import Verb, VerbsAdmin
from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant_column,
    json_column,
    link,
    link_to_run,
    of_bytes,
    short_instant_column,
)
from neural.admin.filters import EqualityFilter, choice_filter
from neural.admin.pages import page
from neural.admin.scope import SearchedByNumber, section
from neural.kit.errors import NeuralError
from neural.ledger.clock import database_clock
from neural.retrieval.collections.registry import collections
from neural.retrieval.index.active import notices_of
from neural.retrieval.index.lag import (
    index_lag,
    why_it_waits,
    why_nobody_builds_it,
)
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.models import IndexState, SearchIndex

CollectionFilter = choice_filter(
    gettext_lazy("collection"),
    "collection",
    lambda: ((each.name, each.name) for each in collections()),
)
IndexStateFilter = choice_filter(gettext_lazy("state"), "state", IndexState)


def behind(collection: str, stores: frozenset[str] | None = None) -> str:
    """How far the index of a collection is behind, counting records of these stores (None: all)."""
    return index_lag(now=database_clock(), collection=collection, stores=stores).text


class RefusedFilter(EqualityFilter):
    title = gettext_lazy("outcome")
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("1", gettext_lazy("refused")), ("0", gettext_lazy("waiting"))]

    def condition(self, value: str) -> Q:
        return ~Q(error="") if value == "1" else Q(error="")


def _rebuild(index: SearchIndex, user: Any) -> bool:
    try:
        open_rebuild(index.collection, requested_by=user.get_username())
    except NeuralError:  # the collection is no longer registered
        return False
    return True


def _what_came_of_it(index: SearchIndex) -> tuple[int, SafeString]:
    built = SearchIndex.objects.filter(collection=index.collection).order_by("-pk").first()
    text = _("{} is being built; until it is ready, search goes on with the index before.")
    return messages.SUCCESS, format_html(text, link(built))


_verb = partial(Verb, permission="neural_retrieval.rebuild_searchindex")
REBUILD = _verb(
    name="rebuild",
    label=gettext_lazy("Rebuild"),
    explanation=gettext_lazy("Rebuild: build the index of these collections anew"),
    apply=_rebuild,
    fits=lambda index: index.state == IndexState.ACTIVE or bool(why_nobody_builds_it(index)),
    change=gettext_noop("built anew: asked for (rebuild)"),
    message_for=_what_came_of_it,
    whole_chain=True,
)
CANCEL = _verb(
    name="cancel",
    label=gettext_lazy("Cancel"),
    explanation=gettext_lazy("Cancel: give up building; the index that is searched stays"),
    apply=lambda index, user: index.cancel(),
    fits=lambda index: index.state == IndexState.BUILDING,
    change=gettext_noop("state: being built → cancelled (cancel)"),
    whole_chain=True,
)
RETRY = _verb(
    name="retry",
    label=gettext_lazy("Try again"),
    explanation=gettext_lazy("Try again: index these records that were refused"),
    apply=lambda entry, user: entry.retry(),
    fits=lambda entry: bool(entry.error),
    change=gettext_noop("state: refused → waiting (try again)"),
)


def _badge(index: SearchIndex) -> SafeString:
    return badge(index.state, index.get_state_display())


@page(SearchIndex)
class SearchIndexAdmin(VerbsAdmin, SearchedByNumber):
    """An index belongs to no store and shows no data of any, so the page is not limited to
    stores."""

    verbs = (REBUILD, CANCEL)
    list_display = (
        "name",
        "collection",
        "state_display",
        "behind",
        "rows_display",
        "size_display",
        "embedder",
        short_instant_column(SearchIndex, "activated_at"),
    )
    list_filter = (CollectionFilter, IndexStateFilter)
    search_keys = ("pk",)
    search_help_text = gettext_lazy("The number of an index.")
    fieldsets = (
        section(None, "collection", "state_badge", "behind", "embedder", "dimensions"),
        section(
            gettext_lazy("Size"),
            "rows_display",
            "size_display",
            instant_column(SearchIndex, "compacted_at"),
        ),
        section(
            gettext_lazy("Course"),
            ("records_done", "records_total"),
            "requested_by",
            "run",
            (
                instant_column(SearchIndex, "created_at"),
                instant_column(SearchIndex, "activated_at"),
                instant_column(SearchIndex, "ended_at"),
            ),
        ),
        section(
            gettext_lazy("How it is made"),
            "store_kind",
            "table",
            json_column(SearchIndex, "vectors"),
            "token_form",
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_retrieval/search.css")}

    # The progress of an index that is being built

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """The progress of the index, and notices about it."""
        notices: Any = notices_of(row) if row.state == IndexState.ACTIVE else ()
        why = why_it_waits(row) or why_nobody_builds_it(row)
        if why and REBUILD.is_permitted(request.user):
            notices = [why]
        return {
            **super().row_context(request, row),
            **_progress(row),
            "refresh_seconds": 2 if row.state == IndexState.BUILDING else 0,
            "notices": notices,
        }

    # Columns

    name = computed_column(gettext_lazy("index"), lambda index: f"#{index.pk}")
    state_badge = computed_column(gettext_lazy("state"), _badge)
    rows_display = computed_column(gettext_lazy("rows"), lambda index: f"{index.rows:,}")
    size_display = computed_column(
        gettext_lazy("size"), lambda index: of_bytes(index.bytes) if index.bytes else NOTHING
    )
    run = computed_column(gettext_lazy("run"), link_to_run, "task_id")

    @admin.display(description=gettext_lazy("state"))
    def state_display(self, index: SearchIndex) -> SafeString:
        """The badge of the state, with a progress bar or the notices below it."""
        if index.state == IndexState.BUILDING:
            return format_html("{}{}", _badge(index), _bar(index))
        notices = notices_of(index) if index.state == IndexState.ACTIVE else ()
        below = format_html_join("", "<br><small>{}</small>", ((each,) for each in notices))
        return format_html("{}{}", _badge(index), below)

    @admin.display(description=gettext_lazy("how far behind"))
    def behind(self, index: SearchIndex) -> str:
        """The lag of the active index; the others are not searched."""
        return behind(index.collection) if index.state == IndexState.ACTIVE else NOTHING


def _bar(index: SearchIndex) -> SafeString:
    bar = '<progress max="{}" value="{}" aria-label="{}"></progress>'
    progress = _progress(index)
    return format_html(bar, progress["total"], progress["done"], _("progress"))


def _progress(index: SearchIndex) -> dict[str, Any]:
    return {
        "index": index,
        "done": min(index.records_done, index.records_total),
        "total": max(index.records_total, 1),
    }
