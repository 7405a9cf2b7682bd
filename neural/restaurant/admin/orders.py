"""The admin pages of orders: the list, and each order as a receipt, with links to its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant_column,
    link,
    link_column,
    one_line,
    personal_column,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import StoreFilter
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.scope import HistoryAdmin, section
from neural.kit.keyset.planning import by_store
from neural.kit.keyset.walks import Walk
from neural.restaurant.admin.amounts import amount_in, short_day, with_currency
from neural.restaurant.admin.filters import (
    ApartFilter,
    BusinessDayFilter,
    ChannelFilter,
    GivenTwiceFilter,
    LateChangeFilter,
    NotAddingUpFilter,
    OrderStatusFilter,
    UnsettledFilter,
)
from neural.restaurant.admin.receipt import order_page
from neural.restaurant.keys import number_of
from neural.restaurant.models import Order, OrderState
from neural.restaurant.run_pages import ORDER_IDS, orders_named

MOST_LINKS = 50

FORWARD = {
    "split_from": _("split from"),
    "replaces": _("replaces"),
    "merged_into": _("merged into"),
}
BACKWARD = {
    "split_from": _("split off"),
    "replaces": _("replaced by"),
    "merged_into": _("merged into this one"),
}


@dataclass(frozen=True)
class OtherOrder:
    """What another order has to do with this one, and a link to it."""

    relation: Any
    link: SafeString | str


def other_orders(order: Order) -> Sequence[OtherOrder]:
    """The orders that this one names, then those that name it."""
    named = {name: getattr(order, name) for name in FORWARD if getattr(order, name)}
    rows = Order.objects.filter(store=order.store_id, key__in=named.values())
    known = {row.key: row for row in rows}
    found = [OtherOrder(FORWARD[name], _linked(key, known.get(key))) for name, key in named.items()]
    for row in Order.objects.referring_to(order).order_by("pk")[:MOST_LINKS]:
        relations = [label for name, label in BACKWARD.items() if getattr(row, name) == order.key]
        found += [OtherOrder(label, link(row)) for label in relations]
    return found


def _linked(key: str, order: Order | None) -> SafeString | str:
    """A link to the order; its number if it is not known yet."""
    if order is None:
        return format_html("{} <small>{}</small>", number_of(key), _("not known"))
    return link(order)


UNSETTLED = {"also": "unsettled", "condition": Q(unsettled=True), "values": ("1",)}
NOT_ADDING_UP = {"also": "differs", "condition": Q(adds_up=False), "values": ("1",)}

GIVEN_TWICE = {"also": "twice", "condition": Q(given_twice=True), "values": ("1",)}


def _rare(walk: dict[str, Any]) -> Walk:
    """The same index for who sees every store."""
    rest = {"condition": walk["condition"], "values": walk["values"]}
    return Walk(parameter=walk["also"], order=("store", "-pk"), **rest)


FACTS = (
    ("channel", "platform", "platform_number"),
    ("till", "key"),
    ("table", "guests", "staff"),
    (personal_column(Order, "member"), "phone_last4", personal_column(Order, "invoice")),
    (instant_column(Order, "promised_at"), instant_column(Order, "closed_at")),
    ("note",),
    ("cancel_reason",),
    ("others",),
)
"""What is shown of an order if it is known, by rows."""


@page(Order)
class OrderAdmin(HistoryAdmin):
    list_display = (
        "order_number",
        "status_badge",
        "total_display",
        "balance",
        "channel_display",
        "day",
        short_instant_column(Order, "placed_at"),
        store_code_column(Order),
        "till_display",
    )
    list_filter = (
        OrderStatusFilter,
        UnsettledFilter,
        NotAddingUpFilter,
        GivenTwiceFilter,
        LateChangeFilter,
        ApartFilter,
        ChannelFilter,
        StoreFilter,
        BusinessDayFilter,
    )
    walks = (
        by_store(**UNSETTLED),
        by_store(**NOT_ADDING_UP),
        by_store(**GIVEN_TWICE),
        _rare(UNSETTLED),
        _rare(NOT_ADDING_UP),
        _rare(GIVEN_TWICE),
        by_store("business_day", day="day"),
    )
    search_keys = (*ORDER_IDS, "store")
    finds = orders_named
    search_help_text = _("A whole order number, platform's number, key or store code.")

    class Media:
        css = {"all": ("neural/figures.css", "neural_restaurant/receipt.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        return super().get_queryset(request).select_related("store")

    def for_page(self, queryset: QuerySet) -> QuerySet:
        return queryset.defer("bill", "progress", "claims", "delivery", "note")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        """What is known of the order; the rest of the page is its receipt."""
        rows: list[Any] = [
            ("order_number", "status_badge"),
            (link_column(Order, "store"), "business_day", instant_column(Order, "placed_at")),
        ]
        for names in FACTS:
            known = tuple(name for name in names if obj is not None and self._is_known(obj, name))
            rows += [known] if known else []
        return (section(None, *rows),)

    def _is_known(self, order: Any, name: Any) -> bool:
        if name == "key":  # says more than the number
            return bool(order.key != str(order))
        if name == "cancel_reason" and order.state != OrderState.CANCELLED:
            return False
        value = self.others(order) if name == "others" else _value(order, name)
        return value not in (None, "", NOTHING)

    def row_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        return super().row_context(request, row) | order_page(row, request.user)

    # Columns

    order_number = computed_column(_("order number"), lambda order: one_line(str(order)))

    till_display = computed_column(_("till"), one_line, "till")

    @admin.display(description=_("status"))
    def status_badge(self, order: Order) -> SafeString:
        """The status, or that only payments or statuses are known; and what a person should look
        at."""
        status = order.display_status
        label = dict(Order._meta.get_field("status").flatchoices).get(status)
        badges = [badge(f"order-{status or order.state}", label or order.get_state_display())]
        if not order.adds_up:
            badges.append(badge("lost", _("does not add up")))
        if order.given_twice:
            badges.append(badge("lost", _("number given twice")))
        if order.late_change:
            badges.append(badge("lost", _("changed late")))
        return format_html_join(" ", "{}", ((each,) for each in badges))

    day = computed_column(_("business day"), short_day, "business_day")

    @admin.display(description=_("channel"))
    def channel_display(self, order: Order) -> SafeString | str:
        parts = [part for part in (order.get_channel_display(), order.platform) if part]
        return one_line(" · ".join(parts))

    @admin.display(description=_("total"))
    def total_display(self, order: Order) -> SafeString:
        return with_currency(order.total, order.currency)

    @admin.display(description=_("still owed"))
    def balance(self, order: Order) -> SafeString | str:
        text = amount_in(order.balance, order.currency)
        if not order.balance:
            return text
        return format_html('<strong class="neural-owed">{}</strong>', text)

    @admin.display(description=_("other orders"))
    def others(self, order: Any) -> SafeString | str:
        if not hasattr(order, "_others"):
            order._others = other_orders(order)
        links = ((each.relation, each.link) for each in order._others)
        return format_html_join(" · ", "{} {}", links) or NOTHING


register_look_up(
    LookUp(
        name="order",
        place=10,
        model=Order,
        label=_("order"),
        find=orders_named,
        moment="placed_at",
    )
)


def _value(order: Order, name: Any) -> Any:
    return name(order) if callable(name) else getattr(order, name)
