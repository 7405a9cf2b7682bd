"""The admin's list of forecasts, and a store's page: what to prepare, and past forecasts."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST, require_safe

from neural.admin.display import (
    NOTHING,
    computed_column,
    instant_column,
    link,
    link_column,
    one_line,
)
from neural.admin.filters import StoreFilter
from neural.admin.guards import address
from neural.admin.pages import page
from neural.admin.recording import log_changes
from neural.admin.scope import HistoryAdmin, store_or_404
from neural.admin.store_links import may_view, register_rows_of_stores, register_store_page
from neural.admin.tabs import register_tab
from neural.audit.titles import register_titles_of_rows
from neural.forecasting.admin.charts import accuracy_plot, chart_of
from neural.forecasting.admin.display import MadeOnFilter, method_sentence, portions
from neural.forecasting.models import Forecast, ForecastAccuracy, StoreUpdate
from neural.forecasting.outlook import accuracy
from neural.forecasting.outlook.review import doubts_of, outlook
from neural.forecasting.sources import TakesConfirmations, demand_source
from neural.kit.keyset.planning import by_store
from neural.kit.sites import address_in_admin
from neural.ledger.clock import database_clock

DAYS_LISTED = 28
NAMES_READ = 500
"""The names of dishes are those of this many newest forecasts."""
DAY_CONFIRMED = gettext_noop("a day in doubt: confirmed (confirm)")

register_tab("stores", "neural_forecasting.forecast", place=20)


@page(Forecast)
class ForecastAdmin(HistoryAdmin):
    list_display = (
        "made_on",
        "dish_name",
        "store_outlook",
        "next_day",
        "method_in_short",
        "version_number",
    )
    list_display_links = ("made_on", "dish_name")
    list_filter = (StoreFilter, MadeOnFilter)
    walks = (by_store("made_on", "dish", day="made_on"),)
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fields = (
        "store_outlook",
        ("dish", "name"),
        "made_on",
        "method_display",
        link_column(Forecast, "version"),
        instant_column(Forecast, "made_at"),
        "days",
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("store", "version")
        return rows.defer("version__content", "version__metrics")

    # A store's page

    @address("store/<str:code>/", "_store", require_safe)
    def store_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """A store's page: eight weeks back and two ahead. ``?dish=`` selects a dish, ``?day=`` the
        day to prepare for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        store = store_or_404(request, code)
        today = store.business_day(database_clock())
        found = outlook(
            store=store,
            today=today,
            dish=request.GET.get("dish", ""),
            prepare_on=_day(request.GET.get("day")),
        )
        return self.own_page(
            request,
            "admin/neural_forecasting/forecast/store.html",
            title=gettext("Forecast of %(store)s") % {"store": store},
            store=store,
            outlook=found,
            chart=chart_of(found.days),
            weeks=found.days[::7],
            judged=found.judged[:DAYS_LISTED],
            is_tomorrow=found.prepare_on == today + dt.timedelta(days=1),
            is_old=bool(found.coming) and found.coming[-1] < today,
            one_method=found.methods[0] if len(found.methods) == 1 else "",
            accuracy=_accuracy(ForecastAccuracy.objects.filter(store=store), found.dishes),
            doubts=doubts_of(store, today=today),
            part=StoreUpdate.objects.filter(store=store).order_by("-pk").first(),
            may_confirm=may_confirm(request),
        )

    @address("accuracy/", "_accuracy", require_safe)
    def accuracy_view(self, request: HttpRequest) -> HttpResponse:
        """How far the forecasts of the last weeks were off, over all of the user's stores."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = ForecastAccuracy.objects.for_user(request.user)
        newest = self.get_queryset(request).order_by("-pk")[:NAMES_READ]
        return self.own_page(
            request,
            "admin/neural_forecasting/forecast/accuracy.html",
            title=gettext("How far forecasts were off"),
            accuracy=_accuracy(rows, newest.values_list("dish", "name"), with_stores=True),
        )

    @address("store/<str:code>/confirm/", "_confirm", require_POST)
    def confirm_view(self, request: HttpRequest, code: str) -> HttpResponse:
        """Confirm what was sold of ``dish`` on ``day``: from the next forecast on, it counts."""
        source = demand_source()
        permitted = self.has_view_permission(request) and may_confirm(request)
        if not permitted or not isinstance(source, TakesConfirmations):
            raise PermissionDenied
        store = store_or_404(request, code)
        day, dish = _day(request.POST.get("day")), request.POST.get("dish", "")
        row = Forecast.objects.filter(store=store, dish=dish).order_by("-made_on").first()
        if day is None or row is None:
            raise Http404
        with transaction.atomic():
            source.confirm(store, day=day, dish=dish, by=request.user.get_username())
            log_changes(
                user=request.user, rows=[row], change=DAY_CONFIRMED, action="confirm",
                details=day.isoformat(),
            )  # fmt: skip
        text = gettext("Confirmed. It counts from the next forecast on, tonight at the latest.")
        self.message_user(request, text, messages.SUCCESS)
        return HttpResponseRedirect("../")

    # Columns

    @admin.display(description=_("dish"))
    def dish_name(self, forecast: Forecast) -> SafeString | str:
        return one_line(forecast.name or forecast.dish)

    @admin.display(description=_("store"))
    def store_outlook(self, forecast: Forecast) -> SafeString:
        where = address_in_admin("neural_forecasting_forecast_store", forecast.store_id)
        return format_html('<a href="{}">{}</a>', where, one_line(forecast.store))

    next_day = computed_column(_("next day: P50, P10 to P90"), lambda forecast: _band(forecast, 0))

    @admin.display(description=pgettext_lazy("of a forecast", "method"))
    def method_in_short(self, forecast: Forecast) -> SafeString | str:
        return one_line(forecast.explanation)

    @admin.display(description=_("version"))
    def version_number(self, forecast: Forecast) -> SafeString | str:
        return link(forecast.version, forecast.version and forecast.version.number)

    @admin.display(description=pgettext_lazy("of a forecast", "method"))
    def method_display(self, forecast: Forecast) -> str:
        return method_sentence(forecast.method)

    @admin.display(description=_("days ahead: P50, P10 to P90"))
    def days(self, forecast: Forecast) -> SafeString:
        lines = [
            f"{forecast.day(place):%Y-%m-%d}  {_band(forecast, place)}"
            for place in range(len(forecast.p50))
        ]
        return format_html('<pre class="neural-code">{}</pre>', "\n".join(lines))


def may_confirm(request: HttpRequest) -> bool:
    """Whether this user may confirm days in doubt, and where sales come from takes it."""
    permitted = request.user.has_perm("neural_forecasting.confirm_forecast")
    return permitted and isinstance(demand_source(), TakesConfirmations)


def _accuracy(
    rows: QuerySet[ForecastAccuracy], names: Iterable[tuple[str, str]], *, with_stores: bool = False
) -> dict[str, Any]:
    """The lines of these rows' last weeks, by horizon, store and dish, and the dishes' names."""
    recent = accuracy.lately(rows)
    sections = {
        gettext("Made for"): accuracy.by_horizon(recent),
        gettext("Store, the next day"): accuracy.by_store(recent) if with_stores else (),
        gettext("Dish, the next day"): accuracy.by_dish(recent),
    }
    return {
        "plot": accuracy_plot(sections),
        "names": {code: name for code, name in names if name},
    }


def _band(forecast: Forecast, place: int) -> str:
    if place >= len(forecast.p50) or forecast.p50[place] is None:
        return gettext("closed") if place < len(forecast.p50) else NOTHING
    low, middle, high = (
        portions(each[place]) for each in (forecast.p10, forecast.p50, forecast.p90)
    )
    return f"{middle} ({low} – {high})"


def _day(text: str | None) -> dt.date | None:
    """The day given in the URL; None for anything else."""
    try:
        return dt.date.fromisoformat(text or "")
    except ValueError:
        return None


register_store_page(
    "neural_forecasting_forecast_store", _("what to prepare"), may_open=may_view(Forecast)
)
register_rows_of_stores(Forecast)
register_rows_of_stores(StoreUpdate)


register_titles_of_rows(Forecast, [("make", _("Make now")), ("confirm", _("Confirm"))])
