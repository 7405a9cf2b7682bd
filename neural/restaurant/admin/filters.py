"""Filters of orders, stock and demand summaries."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import DayFilter, EqualityFilter, FlagFilter, choice_filter, choices_of
from neural.restaurant.models import Channel, OrderStatus, PaymentStatus, Period
from neural.restaurant.models.demand import BEST_SELLER_PLACES


class OrderDayFilter(DayFilter):
    field = "business_day"


class OrderStatusFilter(admin.SimpleListFilter):
    """The status that is shown: a placed order whose till states none is open."""

    title = _("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        return choices_of(OrderStatus)

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet:
        value = self.value()
        return queryset.displayed_as(value) if value else queryset


ChannelFilter = choice_filter(_("channel"), "channel", Channel)


class PaymentDayFilter(DayFilter):
    field = "business_day"


PaymentStatusFilter = choice_filter(_("status"), "status", PaymentStatus)


class PeriodFilter(EqualityFilter):
    """Days or weeks, never both, because a list of both would show every sale twice."""

    title = _("period")
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, Any]]:
        return [(Period.DAY.value, _("days")), (Period.WEEK.value, _("weeks"))]

    def value(self) -> str:
        value = super().value()
        return value if value in Period.values else Period.DAY.value

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, label in self.lookup_choices:
            address = changelist.get_query_string({self.parameter_name: value})
            yield {"selected": value == self.value(), "query_string": address, "display": label}


class BeginningFilter(DayFilter):
    """The first day of a summary: the day itself, or the Monday of the week."""

    title = _("begins on")
    field = "starts_on"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Sequence[tuple[str, str]]:
        self.usable = True
        return ()


class UnsettledFilter(FlagFilter):
    title = _("payment")
    parameter_name = "unsettled"
    method = "unsettled"
    choice = _("owed or overpaid")


class NotAddingUpFilter(FlagFilter):
    title = _("sums")
    parameter_name = "differs"
    method = "not_adding_up"
    choice = _("does not add up")


class ApartFilter(FlagFilter):
    title = _("kept apart")
    parameter_name = "apart"
    method = "apart"
    choice = _("only payments or statuses are known")


class LateChangeFilter(FlagFilter):
    title = _("changed late")
    parameter_name = "late"
    method = "changed_late"
    choice = _("changed long after closing")


class LowStockFilter(FlagFilter):
    title = _("alert")
    parameter_name = "low"
    method = "low"
    choice = _("low now")


class UnusualFilter(FlagFilter):
    title = _("unusual days")
    parameter_name = "unusual"
    method = "unusual"
    choice = _("unusual")


class BestSellerFilter(FlagFilter):
    title = _("best sellers")
    parameter_name = "best"
    method = "best_sellers"
    choice = format_lazy(_("place 1 to {places}"), places=BEST_SELLER_PLACES)
