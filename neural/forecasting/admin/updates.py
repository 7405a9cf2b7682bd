"""The admin pages of store updates (figures of each store's part)."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    computed_column,
    instant_column,
    json_column,
    link,
    link_column,
    one_line,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import StoreFilter
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin, section
from neural.forecasting.admin.display import (
    RoundFilter,
    UpdateStateFilter,
    reason,
    update_badge,
)
from neural.forecasting.models import StoreUpdate
from neural.kit.keyset.planning import WholeNumbers, by_store
from neural.kit.keyset.walks import Walk


@page(StoreUpdate)
class StoreUpdateAdmin(HistoryAdmin):
    export_left_out = ("payload",)
    list_display = (
        store_code_column(StoreUpdate),
        "round_number",
        "state_and_reason",
        "answered",
        "examples",
        short_instant_column(StoreUpdate, "answered_at"),
    )
    list_display_links = ("state_and_reason",)
    list_filter = (UpdateStateFilter, RoundFilter, StoreFilter)
    walks = (
        Walk(parameter="round", column="round", order=("store",), values=WholeNumbers()),
        by_store(),
    )
    search_keys = ("store",)
    search_help_text = _("A whole store code.")
    fieldsets = (
        section(
            None,
            link_column(StoreUpdate, "store"),
            link_column(StoreUpdate, "round"),
            "state_display",
            "why",
            ("exchange", instant_column(StoreUpdate, "answered_at")),
            "examples",
        ),
        section(
            _("Figures"),
            json_column(StoreUpdate, "figures"),
            description=_(
                "Sums over the days that the store kept back, by method. All that it sends of "
                "them; there is no row among them."
            ),
            classes=("collapse",),
        ),
    )

    class Media:
        css = {"all": ("neural/figures.css", "neural_forecasting/learning.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("store", "round")
        return rows.defer("payload", "round__server_state", "round__question", "round__config")

    def for_page(self, queryset: QuerySet) -> QuerySet:
        return queryset.defer(
            "payload", "figures", "round__server_state", "round__question", "round__config"
        )

    state_display = computed_column(_("state"), update_badge)

    @admin.display(description=_("round"))
    def round_number(self, update: StoreUpdate) -> SafeString | str:
        return link(update.round, f"#{update.round_id}")

    @admin.display(description=_("state"))
    def state_and_reason(self, update: StoreUpdate) -> SafeString:
        """The badge, and below it the reason if the store's part was not used."""
        visible = update_badge(update)
        if not update.reason:
            return visible
        return format_html("{}<br><small>{}</small>", visible, one_line(reason(update)))

    answered = computed_column(_("exchange"), lambda update: update.exchange)

    why = computed_column(_("reason"), reason)
