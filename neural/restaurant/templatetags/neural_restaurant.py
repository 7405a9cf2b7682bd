"""Template filters of the restaurant: amounts, orders and payments, business days, and demand."""

from collections.abc import Callable
from typing import Any

from django import template

from neural.admin import display
from neural.restaurant.admin import amounts, analysis_display, day_display, payments

FILTERS: dict[str, Callable[..., Any]] = {
    "amount_in": amounts.amount_in,
    "rate": amounts.rate,
    "signed": amounts.signed,
    "tender": amounts.tender,
    "badge": display.badge,
    "instant": display.instant,
    "quantity": display.quantity,
    "row_address": display.page_address,
    "row_link": display.link,
    # Orders and payments
    "paid_abroad": payments.paid_abroad,
    "payment_badge": payments.payment_badge,
    "returned": payments.returned,
    # Business days
    "agreement": day_display.agreement,
    "average": day_display.average,
    "figure": day_display.figure,
    "figure_name": day_display.name_of_figure,
    "orders_counted": day_display.orders_counted,
    "sees_days": day_display.sees_days,
    "share": day_display.share,
    "signed_figure": day_display.signed,
    "tender_name": day_display.name_of_tender,
    "why_not_taken_in": day_display.why_not_taken_in,
    # The analysis of demand
    "change": analysis_display.change,
    "days_compared": analysis_display.days_compared,
    "unusual_badge": analysis_display.unusual_badge,
}

register = template.Library()
for _name, _show in FILTERS.items():
    register.filter(_name, _show)
register.simple_tag(day_display.name_of_channel, name="channel_name")
