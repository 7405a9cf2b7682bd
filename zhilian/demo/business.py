"""Results of the processed events: sales of the real shops, orders of the invented ones."""

from typing import Any

from django.db.models import Count, Max, Min, Sum

from neural.replay import bakery, live
from neural.restaurant.models import DailyDemand, Order, StockLevel

SHOWN = 5


def sales() -> dict[str, Any]:
    """The bakery chain's demand, summed in the database."""
    demand = DailyDemand.objects.filter(store__brand=bakery.BRAND)
    span = demand.aggregate(first=Min("day"), last=Max("day"), days=Count("day", distinct=True))
    return {
        "first_day": span["first"] and span["first"].isoformat(),
        "last_day": span["last"] and span["last"].isoformat(),
        "days": span["days"],
        "top_shops": _top(demand, "store__code"),
        "top_products": _top(demand, "name"),
    }


def _top(demand: Any, column: str) -> list[dict[str, Any]]:
    sums = demand.order_by().values_list(column).annotate(pieces=Sum("quantity"))
    return [
        {"name": name, "pieces": float(pieces)}
        for name, pieces in sums.order_by("-pieces", column)[:SHOWN]
    ]


def orders(session: str) -> dict[str, Any]:
    """The session's invented orders: how many, how much, and the newest few."""
    made = Order.objects.filter(store__in=live.SHOPS, number__startswith=f"{session}-")
    sums = made.aggregate(Count("pk"), Sum("total"), Sum("paid"))
    return {
        "count": sums["pk__count"],
        "currency": live.CURRENCY,
        "total": float(sums["total__sum"] or 0),
        "paid": float(sums["paid__sum"] or 0),
        "newest": [_order(each) for each in made.order_by("-placed_at")[:SHOWN]],
    }


def _order(order: Order) -> dict[str, Any]:
    return {
        "number": order.number,
        "shop": order.store_id,
        "state": order.state,
        "total": float(order.total),
        "paid": float(order.paid),
    }


def low_stock() -> list[dict[str, Any]]:
    """Ingredients of which the invented shops run short."""
    low = StockLevel.objects.low().filter(store__in=live.SHOPS).order_by("store", "item")
    return [
        {"shop": each.store_id, "item": each.item, "level": float(each.level), "unit": each.unit}
        for each in low
    ]
