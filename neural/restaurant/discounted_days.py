"""On which days dishes were sold at a discount, by the orders."""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping

from django.db.models import F, FloatField, Q, Sum
from django.db.models.functions import Cast, Coalesce, NullIf

from neural.models import Store
from neural.restaurant.models import DailyDemand, LineRole, LineState, OrderLine, OrderState

LEAST_SHARE = 0.01
"""A smaller share is a coupon here and there, and no promotion."""
_DISCOUNTED = Q(order__discounts__gt=0) | Q(order__line_discounts__gt=0)
_NO_DISH = (LineRole.MODIFIER, LineRole.DEFERRED)


def discounted_days(
    store: Store, *, first: dt.date, until: dt.date
) -> Mapping[dt.date, Mapping[str, float]]:
    """By day from ``first`` to before ``until``: the share of each dish's revenue before discounts
    that discounts and coupons took, from :data:`LEAST_SHARE` on. A discount of a whole order is
    spread over its lines by their amounts."""
    taken = _taken(store, first, until)
    if not taken:
        return {}
    days = {day for day, _ in taken}
    rows = DailyDemand.objects.filter(store=store, day__gte=min(days), day__lte=max(days))
    found: defaultdict[dt.date, dict[str, float]] = defaultdict(dict)
    revenues = rows.annotate(sold=Cast("ordered_revenue", FloatField()))
    for day, dish, revenue in revenues.values_list("day", "dish", "sold"):
        of_lines, of_orders = taken.get((day, dish), (0.0, 0.0))
        # Revenue is what lines cost after their own discounts.
        before = (revenue or 0.0) + of_lines
        share = (of_lines + of_orders) / before if before > 0 else 0.0
        if share >= LEAST_SHARE:
            found[day][dish] = min(share, 1.0)
    return found


def _taken(
    store: Store, first: dt.date, until: dt.date
) -> Mapping[tuple[dt.date, str], tuple[float, float]]:
    """By day and dish: what discounts of lines took, and what those of whole orders did."""
    lines = OrderLine.objects.filter(
        _DISCOUNTED,
        order__store=store,
        order__business_day__gte=first,
        order__business_day__lt=until,
        order__state=OrderState.PLACED,
        state=LineState.SOLD,
    ).exclude(role__in=_NO_DISH)
    amount, discounts, items = (
        Cast(name, FloatField()) for name in ("amount", "order__discounts", "order__items")
    )
    rows = (
        lines.order_by()
        .values_list("order__business_day", "dish")
        .annotate(
            of_lines=Sum(Cast(F("discount"), FloatField())),
            of_orders=Coalesce(Sum(amount * discounts / NullIf(items, 0.0)), 0.0),
        )
    )
    return {(day, dish): (of_lines, of_orders) for day, dish, of_lines, of_orders in rows}
