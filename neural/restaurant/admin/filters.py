"""Filters of orders, stock and demand summaries."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from neural.admin.filters import DayFilter, EqualityFilter, choice_filter, choices_of, flag_filter
from neural.restaurant.models import Channel, OrderStatus, PaymentStatus, Period
from neural.restaurant.models.demand import BEST_SELLER_PLACES


class BusinessDayFilter(DayFilter):
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


UnsettledFilter = flag_filter(_("payment"), "unsettled", _("owed, overpaid or over-refunded"))
NotAddingUpFilter = flag_filter(_("sums"), "differs", _("does not add up"), method="not_adding_up")
ApartFilter = flag_filter(_("kept apart"), "apart", _("only payments or statuses are known"))
LateChangeFilter = flag_filter(
    _("changed late"), "late", _("changed long after closing"), method="changed_late"
)
GivenTwiceFilter = flag_filter(
    _("order number"), "twice", _("number given twice"), method="given_twice"
)
LowStockFilter = flag_filter(_("alert"), "low", _("low now"))
UnusualFilter = flag_filter(_("unusual days"), "unusual", _("unusual"))
BestSellerFilter = flag_filter(
    _("best sellers"),
    "best",
    format_lazy(_("place 1 to {places}"), places=BEST_SELLER_PLACES),
    method="best_sellers",
)
