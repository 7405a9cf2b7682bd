"""The admin pages of payments, with the events about each and their runs."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from neural.admin.display import (
    NOTHING,
    badge,
    computed_column,
    instant_column,
    link_column,
    one_line,
    quantity,
    short_instant_column,
    store_code_column,
)
from neural.admin.filters import StoreFilter
from neural.admin.look_up import LookUp, register_look_up
from neural.admin.pages import page
from neural.admin.panels import Panel, register_panel
from neural.admin.scope import HistoryAdmin, section
from neural.kit.keyset.exact import MOST_FOUND, by_any, by_columns
from neural.kit.keyset.planning import by_store
from neural.restaurant.admin import amounts
from neural.restaurant.admin.amounts import amount_column, amount_in, short_day, with_currency
from neural.restaurant.admin.filters import BusinessDayFilter, PaymentStatusFilter
from neural.restaurant.admin.order_events import MOST_NEAR, OrderEvent, events_of, runs_by_event
from neural.restaurant.models import Order, Payment, PaymentKind
from neural.restaurant.models.newest import event_of
from neural.restaurant.run_pages import orders_named

OF_REFUNDS = (amount_column(Payment, "stated_amount"), "refund_of", "returned_lines")
OF_PAYMENTS = (amount_column(Payment, "given"), "change", "paid", "settled")


NAMED = by_columns("reference", "key")


def _of_orders(rows: QuerySet, text: str, user: Any) -> QuerySet:
    """The payments of the orders that an id names."""
    orders = list(orders_named(Order.objects.for_user(user), text, user))
    return rows.filter(order__in=orders).order_by("-pk").values_list("pk", flat=True)[:MOST_FOUND]


@page(Payment)
class PaymentAdmin(HistoryAdmin):
    list_display = (
        "reference_display",
        "amount_display",
        amount_column(Payment, "tip"),
        "kind_display",
        "status_badge",
        "tender_display",
        link_column(Payment, "order"),
        "day",
        short_instant_column(Payment, "occurred_at"),
        store_code_column(Payment),
    )
    list_filter = (PaymentStatusFilter, StoreFilter, BusinessDayFilter)
    walks = (by_store("business_day", day="day", also="day"), by_store())
    search_keys = ("reference", "key", "store")
    finds = by_any(NAMED, _of_orders)
    search_help_text = _("A whole reference, key, order number or store code.")

    class Media:
        css = {"all": ("neural/figures.css", "neural_restaurant/receipt.css")}

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        rows = super().get_queryset(request).select_related("store", "order")
        return rows.defer("order__bill", "order__progress")

    def for_page(self, queryset: QuerySet) -> QuerySet:
        return queryset.defer("lines")

    def get_fieldsets(self, request: HttpRequest, obj: Model | None = None) -> Any:
        is_refund = getattr(obj, "kind", "") == PaymentKind.REFUND
        return (
            section(
                None,
                ("reference_display", "key"),
                ("kind_display", "status_badge"),
                link_column(Payment, "order"),
                link_column(Payment, "store"),
                ("business_day", instant_column(Payment, "occurred_at")),
                "reason",
            ),
            section(
                _("Money"),
                "amount_display",
                amount_column(Payment, "tip"),
                "tender_display",
                *(OF_REFUNDS if is_refund else OF_PAYMENTS),
                amount_column(Payment, "fee"),
            ),
        )

    # Columns

    day = computed_column(_("business day"), short_day, "business_day")

    @admin.display(description=_("reference"))
    def reference_display(self, payment: Payment) -> SafeString | str:
        return one_line(payment.reference or payment.key)

    @admin.display(description=_("kind"))
    def kind_display(self, payment: Payment) -> str:
        kind = payment.get_kind_display()
        refund = payment.get_refund_kind_display()
        return f"{kind} · {refund}" if refund else str(kind)

    status_badge = computed_column(_("status"), lambda payment: payment_badge(payment))

    @admin.display(description=_("amount"))
    def amount_display(self, payment: Payment) -> SafeString:
        return with_currency(payment.amount, payment.currency or payment.order.currency)

    @admin.display(description=_("tender"))
    def tender_display(self, payment: Payment) -> SafeString | str:
        return one_line(amounts.tender(payment.tender))

    @admin.display(description=_("change given"))
    def change(self, payment: Payment) -> str:
        return amount_in(payment.change, payment.currency)

    @admin.display(description=_("paid in the guest's currency"))
    def paid(self, payment: Payment) -> str:
        return paid_abroad(payment) or NOTHING

    @admin.display(description=_("returned lines"))
    def returned_lines(self, payment: Payment) -> SafeString | str:
        lines = returned(payment)
        if not lines:
            return NOTHING
        rows = format_html_join("", "<li>{}</li>", ((line,) for line in lines))
        return format_html('<ul class="neural-returned">{}</ul>', rows)


def payment_badge(payment: Payment) -> SafeString:
    if payment.moved:
        return badge("payment-cancelled", _("moved to another order"))
    return badge(f"payment-{payment.status}", payment.get_status_display())


def paid_abroad(payment: Payment) -> str:
    """What the guest paid in another currency; empty if that is not stated."""
    if payment.paid_amount is None:
        return ""
    return f"{amount_in(payment.paid_amount, payment.paid_currency)} {payment.paid_currency}"


def returned(payment: Payment) -> list[str]:
    """What a refund returns, a text a line."""
    return [_returned(line, payment.currency) for line in payment.lines or ()]


def _returned(line: dict[str, Any], currency: str) -> str:
    name = line.get("name") or line.get("line_id") or ""
    count = line.get("quantity")
    times = f"{quantity(Decimal(count))} × " if count is not None else ""
    return f"{times}{name} {amount_in(Decimal(line['amount']), currency)}".strip()


register_look_up(
    LookUp(
        name="payment",
        place=20,
        model=Payment,
        label=_("payment"),
        find=NAMED,
        through=_of_orders,
        moment="occurred_at",
    )
)


def _context(request: HttpRequest, payment: Payment) -> Mapping[str, Any] | None:
    if not request.user.has_perm("neural.view_neuralevent"):
        return None
    found = [each for each in events_of(payment.order, [payment]) if _is_about(each, payment)]
    runs = runs_by_event((each.event for each in found), request.user)
    return {
        "events": [(each, runs.get(each.event.pk, ())) for each in found],
        "most_near": MOST_NEAR,
    }


def _is_about(found: OrderEvent, payment: Payment) -> bool:
    """The event that the payment is taken from, and others that state a payment of its name."""
    if (found.event.event_id, found.event.source) == event_of(bytes(payment.version)):
        return True
    return found.states == (payment.kind, payment.reference)


register_panel(
    Panel(
        name="events",
        model=Payment,
        title=_("Events"),
        template="neural_restaurant/payment_events.html",
        context=_context,
    )
)
