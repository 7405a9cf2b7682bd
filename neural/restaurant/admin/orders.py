"""The admin pages of orders, with their lines and payments."""

from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    badge,
    instant,
    instant_column,
    link_column,
    money,
    money_column,
    quantity_column,
    short_instant_column,
)
from neural.admin.filters import StoreFilter
from neural.admin.pages import page
from neural.admin.planning import by_store
from neural.admin.scope import HistoryAdmin
from neural.restaurant.admin.filters import OrderDayFilter, OrderStateFilter
from neural.restaurant.models import Order, OrderLine, Payment


class ReadOnlyInline(admin.TabularInline):
    """Related rows, shown read-only."""

    extra = 0
    can_delete = False

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class OrderLineInline(ReadOnlyInline):
    model = OrderLine
    fields = (
        "dish",
        "name",
        quantity_column(OrderLine, "quantity"),
        money_column(OrderLine, "price"),
        money_column(OrderLine, "amount"),
    )


class PaymentInline(ReadOnlyInline):
    model = Payment
    fields = (
        "kind",
        "reference",
        money_column(Payment, "amount"),
        "currency",
        "tender",
        instant_column(Payment, "occurred_at"),
    )


MONEY = tuple(money_column(Order, field) for field in ("total", "paid", "refunded"))


@page(Order)
class OrderAdmin(HistoryAdmin):
    list_display = (
        "number",
        "state_badge",
        link_column(Order, "store"),
        "business_day",
        short_instant_column(Order, "placed_at"),
        *MONEY,
        "balance",
        "currency",
    )
    list_filter = (OrderStateFilter, StoreFilter, OrderDayFilter)
    walks = (by_store("business_day", day="day"),)
    search_keys = ("number", "store")
    search_help_text = _("A whole order number or store code.")
    inlines = (OrderLineInline, PaymentInline)
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "number",
                    "state_badge",
                    link_column(Order, "store"),
                    ("business_day", instant_column(Order, "placed_at")),
                    ("cancelled", "cancel_reason"),
                )
            },
        ),
        (_("Money"), {"fields": ("currency", *MONEY, "balance")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    @admin.display(description=_("state"))
    def state_badge(self, order: Order) -> SafeString:
        return badge(order.state, order.get_state_display())

    @admin.display(description=_("still owed"))
    def balance(self, order: Order) -> str:
        return money(order.balance)

    @admin.display(description=_("cancelled at"))
    def cancelled(self, order: Order) -> SafeString | str:
        return instant(order.cancelled_at)


@page(Payment)
class PaymentAdmin(HistoryAdmin):
    list_display = (
        "reference",
        "kind",
        link_column(Payment, "order"),
        link_column(Payment, "store"),
        money_column(Payment, "amount"),
        "currency",
        "tender",
        short_instant_column(Payment, "occurred_at"),
    )
    list_filter = (StoreFilter,)
    walks = (by_store(),)
    search_keys = ("reference", "order__number", "store")
    search_help_text = _("A whole reference, order number or store code.")
    fieldsets = ((None, {"fields": (*list_display, "refund_of")}),)

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store", "order")
