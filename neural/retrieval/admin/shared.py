"""Filters and verbs that the admin pages of search share."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.admin.actions import Verb
from neural.admin.audit import recording as audit
from neural.admin.display import link
from neural.admin.filters import EqualityFilter, choice_filter
from neural.errors import NeuralError
from neural.retrieval.collections.registry import collections
from neural.retrieval.index.lag import why_nobody_builds_it
from neural.retrieval.index.rebuilding import open_rebuild
from neural.retrieval.models import IndexState, SearchIndex


class CollectionFilter(EqualityFilter):
    title = gettext_lazy("collection")
    parameter_name = "collection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(each.name, each.name) for each in collections()]


IndexStateFilter = choice_filter(gettext_lazy("state"), "state", IndexState)


class RefusedFilter(admin.SimpleListFilter):
    title = gettext_lazy("outcome")
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("1", gettext_lazy("refused")), ("0", gettext_lazy("waiting"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() == "1":
            return queryset.refused()
        return queryset.waiting() if self.value() == "0" else queryset


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


REBUILD = Verb(
    name="rebuild",
    label=gettext_lazy("Rebuild"),
    explanation=gettext_lazy("Rebuild: build the index of these collections anew"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=_rebuild,
    fits=lambda index: index.state == IndexState.ACTIVE or bool(why_nobody_builds_it(index)),
    change=lambda index: audit.REBUILT,
    message_for=_what_came_of_it,
    whole_chain=True,
)
CANCEL = Verb(
    name="cancel",
    label=gettext_lazy("Cancel"),
    explanation=gettext_lazy("Cancel: give up building; the index that is searched stays"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=lambda index, user: index.cancel(),
    fits=lambda index: index.state == IndexState.BUILDING,
    change=lambda index: audit.BUILDING_CANCELLED,
    whole_chain=True,
)
RETRY = Verb(
    name="retry",
    label=gettext_lazy("Try again"),
    explanation=gettext_lazy("Try again: index these records that were refused"),
    permission="neural_retrieval.rebuild_searchindex",
    apply=lambda entry, user: entry.retry(),
    fits=lambda entry: bool(entry.error),
    change=lambda entry: audit.INDEXED_AGAIN,
)
