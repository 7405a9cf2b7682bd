"""Filters of the list of error groups."""

import datetime as dt
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import StoreFilter, TextFilter, choices_of
from neural.celeryapp.task import names_of_work
from neural.ledger.clock import database_clock
from neural.ledger.work import work_title
from neural.monitoring.errors.groups import codes_of
from neural.monitoring.models import ErrorGroupHit, ErrorGroupState

ALL = "all"


class GroupStateFilter(admin.SimpleListFilter):
    """The open groups, unless another state is chosen."""

    title = _("state")
    parameter_name = "state"
    usual = ErrorGroupState.OPEN.value

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [*choices_of(ErrorGroupState), (ALL, _("all"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        state = self.value() or ErrorGroupState.OPEN
        return queryset if state == ALL else queryset.filter(state=state)

    def choices(self, changelist: Any) -> Iterator[Any]:
        chosen = self.value() or ErrorGroupState.OPEN
        for value, label in self.lookup_choices:
            yield {
                "selected": chosen == value,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": label,
            }


class PeriodFilter(admin.SimpleListFilter):
    """Groups that failed in the last hours."""

    title = _("last failed")
    parameter_name = "hours"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [
            ("1", _("in the last hour")),
            ("24", _("in the last day")),
            ("168", _("in the last week")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if value not in ("1", "24", "168"):
            return queryset
        return queryset.filter(shown_last__gte=database_clock() - dt.timedelta(hours=int(value)))


class _HitFilter(TextFilter):
    """Groups that hit something, within the stores of the user."""

    column = ""

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        value = self.value()
        if not value:
            return queryset
        hits = ErrorGroupHit.objects.filter(group=OuterRef("pk"), **{self.column: value})
        codes = codes_of(request.user)
        hits = hits if codes is None else hits.filter(store_code__in=codes)
        return queryset.filter(Exists(hits))


class WorkFilter(_HitFilter):
    """A task or handler, chosen by its title."""

    title = _("work")
    parameter_name = "work"
    column = "work"
    more = False

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return sorted(((name, work_title(name)) for name in names_of_work()), key=itemgetter(1))


class HitStoreFilter(_HitFilter, StoreFilter):
    """One store that the group hits."""

    column = "store_code"
