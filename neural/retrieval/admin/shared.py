"""Filters of the lists of indexes and of records to index."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import EqualityFilter, choices_of
from neural.retrieval.collections.registry import collections
from neural.retrieval.models import IndexState


class CollectionFilter(EqualityFilter):
    title = _("collection")
    parameter_name = "collection"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return [(each.name, each.name) for each in collections()]


class IndexStateFilter(EqualityFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(IndexState)


class RefusedFilter(admin.SimpleListFilter):
    title = _("outcome")
    parameter_name = "refused"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [("1", _("refused")), ("0", _("waiting"))]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        if self.value() == "1":
            return queryset.refused()
        return queryset.waiting() if self.value() == "0" else queryset
