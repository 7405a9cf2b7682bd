"""The admin pages of day closes: the list, one close, and a store's business day."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from neural.admin.display import (
    NOTHING,
    computed_column,
    json_column,
    link_column,
    money,
    short_instant,
)
from neural.admin.filters import StoreFilter
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.paging import KeysetChangeList
from neural.admin.scope import HistoryAdmin, section, store_or_404
from neural.admin.store_links import register_store_page
from neural.kit.keyset.planning import by_store
from neural.ledger.clock import database_clock
from neural.models import Store
from neural.restaurant.admin.day_display import (
    agreement,
    context_of,
    day_address,
    day_in,
    sees_days,
    shown_to,
)
from neural.restaurant.admin.filters import BusinessDayFilter
from neural.restaurant.days.comparing import Comparison
from neural.restaurant.days.summary import compare_closes, latest_day
from neural.restaurant.models import DayClose
from neural.restaurant.models.newest import moment_of

STORES_OFFERED = 100


class ComparedChangeList(KeysetChangeList):
    """The list, each close of the page beside our figures for who may see these."""

    def get_results(self, request: HttpRequest) -> None:
        """Load one page, and compare all its closes in two queries."""
        super().get_results(request)
        if not sees_days(request.user):
            return
        compared = compare_closes(self.result_list)
        for close in self.result_list:
            close.comparison = compared[close.pk]


@page(DayClose)
class DayCloseAdmin(HistoryAdmin):
    list_display = (
        "day_display",
        "till_display",
        link_column(DayClose, "store"),
        "agreement_display",
        "stated_total",
        "orders",
        "currency",
        "as_of",
    )
    list_filter = (StoreFilter, BusinessDayFilter)
    walks = (by_store("business_day", day="day"),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fieldsets = (
        section(
            None,
            "day_page",
            "till_display",
            link_column(DayClose, "store"),
            "agreement_display",
            "as_of",
        ),
        section(
            _("As stated"),
            "currency",
            "orders",
            "guests",
            ("first_ticket", "last_ticket"),
            json_column(DayClose, "sums"),
            json_column(DayClose, "tenders"),
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css",)}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return shown_to(request.user, super().get_list_display(request))

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """Our figures, and the way to them, for who may see them."""
        (name, facts), *rest = super().get_fieldsets(request, obj)
        return ((name, {"fields": shown_to(request.user, facts["fields"])}), *rest)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ComparedChangeList]:
        return ComparedChangeList

    # A store's business day

    @address("day/", "_choose", require_safe)
    def choose_view(self, request: HttpRequest) -> HttpResponse:
        """A form for a store and a day; leads to the day if a store is given."""
        _check(request)
        code = request.GET.get("store", "").strip()
        if code:
            store = store_or_404(request, code)
            return HttpResponseRedirect(day_address(store.pk, day_in(request.GET.get("day"))))
        context = {"title": gettext("Business day"), "today": timezone.localdate(database_clock())}
        return self._shown(request, context)

    @address("day/<str:code>/", "_day", require_safe)
    def day_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """A store's business day: that of ``?day=``, by default the newest with orders
        up to today."""
        _check(request)
        store = store_or_404(request, code)
        now = database_clock()
        day = day_in(request.GET.get("day")) or latest_day(store, now) or store.business_day(now)
        visible = context_of(store, day, user=request.user)
        return self._shown(request, visible)

    def _shown(self, request: HttpRequest, context: dict[str, Any]) -> TemplateResponse:
        offered = Store.objects.for_user(request.user).order_by("code")[:STORES_OFFERED]
        template = "admin/neural_restaurant/dayclose/day.html"
        return self.own_page(request, template, **context, stores=offered)

    # Columns

    @admin.display(description=_("business day"))
    def day_display(self, close: DayClose) -> str:
        return date_format(close.business_day, "Y-m-d D")

    @admin.display(description=_("business day"))
    def day_page(self, close: DayClose) -> SafeString:
        where = day_address(close.store_id, close.business_day)
        return format_html('<a href="{}">{}</a>', where, self.day_display(close))

    till_display = computed_column(_("till"), lambda close: close.till or gettext("whole store"))

    @admin.display(description=_("compared with ours"))
    def agreement_display(self, close: DayClose) -> SafeString | str:
        found: Comparison | None = getattr(close, "comparison", None)
        visible = agreement(found or compare_closes([close])[close.pk])
        where = day_address(close.store_id, close.business_day)
        return format_html('<a href="{}#closes">{}</a>', where, visible)

    @admin.display(description=_("stated total"))
    def stated_total(self, close: DayClose) -> str:
        total = close.stated_sums.get("total")
        return NOTHING if total is None else money(total)

    @admin.display(description=_("as of"))
    def as_of(self, close: DayClose) -> SafeString | str:
        return short_instant(moment_of(bytes(close.version))) if close.version else NOTHING


def _check(request: HttpRequest) -> None:
    if not sees_days(request.user):
        raise PermissionDenied


register_store_page("neural_restaurant_dayclose_day", _("business day"), may_open=sees_days)
