"""The admin pages of demand summaries: the list, one summary, and a store's last weeks."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.display import computed_column, money_column, one_line, quantity_column
from neural.admin.filters import StoreFilter
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.paging import OrderedChangeList
from neural.admin.scope import HistoryAdmin, section, store_or_404
from neural.admin.store_links import may_view, register_store_page
from neural.audit.titles import register_titles_of_rows
from neural.kit.sites import address_in_admin
from neural.restaurant.admin.analysis_display import (
    CHANGE_RULE,
    RULE,
    bars,
    change,
    days_compared,
    highest,
    unusual_badge,
)
from neural.restaurant.admin.filters import (
    BeginningFilter,
    BestSellerFilter,
    PeriodFilter,
    UnusualFilter,
)
from neural.restaurant.analysis.review import review
from neural.restaurant.models import DemandSummary, Period


@page(DemandSummary)
class DemandSummaryAdmin(HistoryAdmin):
    page_order = ("-starts_on", "-unusual", "rank", "pk")
    days = ("store", "period", "starts_on", "dish")
    list_display = (
        "beginning",
        "dish_name",
        "store_weeks",
        quantity_column(DemandSummary, "quantity"),
        "change_display",
        "rank",
        "unusual_display",
        money_column(DemandSummary, "revenue"),
    )
    list_display_links = ("beginning", "dish_name")
    list_filter = (PeriodFilter, StoreFilter, UnusualFilter, BestSellerFilter, BeginningFilter)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fieldsets = (
        section(
            None,
            "period",
            "beginning",
            "store_weeks",
            "dish",
            "name",
            quantity_column(DemandSummary, "quantity"),
            money_column(DemandSummary, "revenue"),
            "days",
            "rank",
        ),
        section(
            _("Change"),
            "change_display",
            quantity_column(DemandSummary, "previous_quantity"),
            "days_compared",
            description=CHANGE_RULE,
        ),
        section(
            _("Unusual days"),
            "unusual_display",
            quantity_column(DemandSummary, "usual_quantity"),
            "deviations",
            description=RULE,
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[OrderedChangeList]:
        return OrderedChangeList

    # A store's page

    @address("store/<str:code>/", "_store", require_safe)
    def store_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """Eight weeks of one store: those that end with the day in ``?until=``, by default the last
        ones."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        store = store_or_404(request, code)
        found = review(store=store, until=_day(request.GET.get("until")))
        return self.own_page(
            request,
            "admin/neural_restaurant/demandsummary/store.html",
            title=gettext("Demand of %(store)s") % {"store": store},
            store=store,
            review=found,
            bars=bars(found.days) if found else (),
            highest=highest(found.days) if found else None,
            rule=RULE,
            change_rule=CHANGE_RULE,
        )

    # Columns

    @admin.display(description=_("begins on"))
    def beginning(self, summary: DemandSummary) -> str:
        if summary.period == Period.DAY:
            return date_format(summary.starts_on, "Y-m-d D")
        return f"{summary.starts_on} – {summary.starts_on + dt.timedelta(days=6):%m-%d}"

    dish_name = computed_column(_("dish"), lambda summary: one_line(summary.name or summary.dish))

    @admin.display(description=_("change"))
    def change_display(self, summary: DemandSummary) -> SafeString | str:
        visible = change(summary.change)
        if summary.change is None or summary.days_compared == summary.days:
            return visible
        return format_html("{} <small>{}</small>", visible, days_compared(summary.days_compared))

    unusual_display = computed_column(_("unusual"), unusual_badge)

    @admin.display(description=_("deviation"))
    def deviations(self, summary: DemandSummary) -> str:
        if summary.score is None:
            return gettext("too little is known")
        return gettext("%(score)s median absolute deviations") % {"score": f"{summary.score:+.1f}"}

    @admin.display(description=_("store"))
    def store_weeks(self, summary: DemandSummary) -> SafeString:
        where = address_in_admin("neural_restaurant_demandsummary_store", summary.store_id)
        return format_html('<a href="{}">{}</a>', where, one_line(summary.store))


def _day(text: str | None) -> dt.date | None:
    """A day from the URL; anything else is ignored."""
    try:
        return dt.date.fromisoformat(text or "")
    except ValueError:
        return None


register_store_page(
    "neural_restaurant_demandsummary_store", _("last weeks"), may_open=may_view(DemandSummary)
)
register_titles_of_rows(DemandSummary, [("analyse", _("Bring up to date"))])
