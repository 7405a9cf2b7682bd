"""The admin pages of the other read models: dishes, menus, what was sold out, stock, shifts,
time cards, opening states, sales reports and daily demand."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant,
    instant_column,
    json_column,
    link_column,
    money_column,
    quantity,
    quantity_column,
)
from neural.admin.filters import DayFilter, StoreFilter
from neural.admin.pages import page
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import HistoryAdmin, section
from neural.admin.store_links import register_rows_of_stores
from neural.kit.keyset.planning import by_store
from neural.kit.keyset.walks import Walk
from neural.models import NeuralEvent
from neural.restaurant.admin.filters import LowStockFilter
from neural.restaurant.models import (
    Availability,
    DailyDemand,
    DemandSummary,
    Dish,
    Menu,
    OpeningState,
    Order,
    SalesReport,
    Shift,
    StockLevel,
    TimeCard,
)
from neural.restaurant.models.newest import moment_of
from neural.restaurant.run_pages import rows_of
from neural.runs.admin.run_page.contents import visible_rows


class ReadModelAdmin(HistoryAdmin):
    """A row for each thing that a store reported, with the time of the newest report."""

    list_filter: ClassVar[Any] = (StoreFilter,)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    as_of = computed_column(_("as of"), lambda row: instant(moment_of(bytes(row.version))))


@page(Dish)
class DishAdmin(ReadModelAdmin):
    list_display = (
        "code",
        "name",
        "category",
        money_column(Dish, "price"),
        "currency",
        "available",
        link_column(Dish, "store"),
        "as_of",
    )
    from_outside = ("details",)
    walks = (by_store("code"),)
    search_keys = ("code", "store")
    search_help_text = _("A whole dish code or store code.")
    fields = (*list_display, json_column(Dish, "details"))


@page(Menu)
class MenuAdmin(ReadModelAdmin):
    list_display = ("store_code", "dishes", link_column(Menu, "store"), "as_of")
    walks = (by_store(),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fields = ("dishes", link_column(Menu, "store"), "as_of")

    store_code = computed_column(_("menu"), str)


@page(StockLevel)
class StockLevelAdmin(ReadModelAdmin):
    list_display = (
        "item",
        "alert",
        quantity_column(StockLevel, "level"),
        "unit",
        quantity_column(StockLevel, "threshold"),
        link_column(StockLevel, "store"),
        "counted",
    )
    list_filter = (LowStockFilter, StoreFilter)
    walks = (
        Walk(parameter="low", order=("store", "item"), values=("1",), condition=Q(low=True)),
        by_store("item"),
    )
    search_keys = ("item", "store")
    search_help_text = _("A whole item or store code.")
    fields = (*list_display, "reported_low")

    @admin.display(description=_("alert"))
    def alert(self, stock: StockLevel) -> SafeString | str:
        return badge("dead", _("low")) if stock.low else NOTHING

    @admin.display(description=_("counted at"))
    def counted(self, stock: StockLevel) -> SafeString | str:
        return instant(moment_of(bytes(stock.level_version)))


@page(Availability)
class AvailabilityAdmin(ReadModelAdmin):
    list_display = (
        "dish",
        "name",
        "sold_out",
        instant_column(Availability, "at"),
        instant_column(Availability, "until"),
        "reason",
        "till",
        link_column(Availability, "store"),
    )
    walks = (by_store("-at"),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fields = list_display


@page(Shift)
class ShiftAdmin(ReadModelAdmin):
    list_display = (
        "code",
        "staff_code",
        "staff_name",
        "role",
        instant_column(Shift, "starts_at"),
        instant_column(Shift, "ends_at"),
        link_column(Shift, "store"),
        "as_of",
    )
    walks = (by_store("starts_at"),)
    search_keys = ("code", "store")
    search_help_text = _("A whole shift code or store code.")
    fields = list_display


@page(TimeCard)
class TimeCardAdmin(ReadModelAdmin):
    list_display = (
        "code",
        "staff_code",
        "staff_name",
        "role",
        instant_column(TimeCard, "starts_at"),
        instant_column(TimeCard, "ends_at"),
        "hours_worked",
        link_column(TimeCard, "store"),
    )
    walks = (by_store(),)
    search_keys = ("code", "store")
    search_help_text = _("A whole time card or store code.")
    fields = (*list_display, json_column(TimeCard, "breaks"))

    hours_worked = computed_column(_("hours worked"), quantity, "hours")


@page(OpeningState)
class OpeningStateAdmin(ReadModelAdmin):
    list_display = (
        instant_column(OpeningState, "starts_at"),
        "state",
        "reason",
        instant_column(OpeningState, "ends_at"),
        "platform",
        link_column(OpeningState, "store"),
        "as_of",
    )
    walks = (by_store(),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fields = list_display


@page(SalesReport)
class SalesReportAdmin(ReadModelAdmin):
    list_display = ("day", link_column(SalesReport, "store"), "as_of")
    list_filter = (StoreFilter, DayFilter)
    from_outside = ("lines", "context")
    walks = (by_store("day", day="day"),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fields = (
        *list_display,
        json_column(SalesReport, "lines"),
        json_column(SalesReport, "context"),
    )


@page(DailyDemand)
class DailyDemandAdmin(ReadModelAdmin):
    list_display = (
        "day",
        "dish",
        "name",
        quantity_column(DailyDemand, "quantity"),
        money_column(DailyDemand, "revenue"),
        link_column(DailyDemand, "store"),
    )
    list_filter = (StoreFilter, DayFilter)
    walks = (by_store("day", "dish", day="day"),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fieldsets = (
        section(None, *list_display),
        section(
            _("Where it comes from"),
            quantity_column(DailyDemand, "reported_quantity"),
            quantity_column(DailyDemand, "ordered_quantity"),
            money_column(DailyDemand, "reported_revenue"),
            money_column(DailyDemand, "ordered_revenue"),
        ),
    )


for _model in (Order, StockLevel, DailyDemand, DemandSummary, OpeningState, TimeCard):
    register_rows_of_stores(_model)


def _context(request: HttpRequest, event: NeuralEvent) -> Mapping[str, Any] | None:
    found = visible_rows(rows_of(event), request.user)
    return {"written": found} if found else None


register_panel(
    Panel(
        name="written",
        model=NeuralEvent,
        title=_("What is written for it"),
        template="neural/run/written_panel.html",
        context=_context,
    )
)
