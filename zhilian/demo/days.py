"""What became of the events: sales of the real shops, orders of the invented ones, and the days of
their tills beside what these state of them."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import Count, F, Max, Min, Sum

from neural.restaurant.days.summary import compare_closes
from neural.restaurant.models import DailyDemand, DayClose, Order, StockLevel
from zhilian.demo import bakery, live
from zhilian.demo.till import CENT, ZERO, Bill, Till

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
    sums = made.aggregate(count=Count("pk"), total=Sum("total"), paid=Sum("paid"))
    newest = made.order_by("-placed_at").values("number", "state", "total", "paid", shop=F("store"))
    return {
        "currency": live.CURRENCY,
        "count": sums["count"],
        **{name: float(sums[name] or 0) for name in ("total", "paid")},
        "newest": [
            {**each, "total": float(each["total"]), "paid": float(each["paid"])}
            for each in newest[:SHOWN]
        ],
    }


def low_stock() -> list[dict[str, Any]]:
    """Ingredients of which the invented shops run short."""
    low = StockLevel.objects.low().filter(store__in=live.SHOPS).order_by("store", "item")
    rows = low.values("item", "level", "unit", shop=F("store"))
    return [{**each, "level": float(each["level"])} for each in rows]


# The days of the tills


def report(tills: Sequence[Till]) -> dict[str, Any]:
    """Every day and every bill of the tills. ``ok``: ledger and tills agree to the cent."""
    days = [_day(till, day) for till in tills for day in till.days]
    bills = [_bill(till, bill) for till in tills for bill in till.bills]
    first = _given_again(tills)
    return {
        "currency": live.CURRENCY,
        "days": days,
        "bills": [each for each in bills if each["story"] or not each["ok"]],
        "first_ticket": first,
        "ok": bool(days) and first["ok"] and all(each["ok"] for each in (*days, *bills)),
    }


def _given_again(tills: Sequence[Till]) -> dict[str, Any]:
    """The orders of the first ticket, which every till gave on each of its days."""
    ticket, codes = "A-1", [till.code for till in tills]
    orders = Order.objects.filter(till__in=codes, number=ticket).order_by("business_day", "pk")
    return {
        "ticket": ticket,
        "orders": [_money(order.counted) for order in orders],
        "ok": len(orders) == sum(len(till.days) for till in tills),
    }


def _day(till: Till, day: dt.date) -> dict[str, Any]:
    """A day as its till closed it, beside what restaurant.days makes of the same rows. What guests
    and platforms owe is not in a close."""
    closes = DayClose.objects.filter(store=till.shop, till=till.code, business_day=day)
    orders = Order.objects.filter(store=till.shop, till=till.code, business_day=day)
    own, bills = till.totals(day), till.bills_of(day)
    stated: dict[str, Any] = {"owed": _money(own.owed), "payout": _money(own.payout)}
    found: dict[str, Any] = {
        "owed": _money(sum((order.balance for order in orders), ZERO)),
        "payout": _money(
            sum((order.payout or ZERO for order in orders if order.counted_day), ZERO)
        ),
    }
    for comparison in compare_closes(closes).values():
        for each in (*comparison.figures, *comparison.tenders):
            found[each.name] = _money(each.ours)
            if each.stated is not None:
                stated[each.name] = _money(each.stated)
    differing = [name for name in {**stated, **found} if stated.get(name) != found.get(name)]
    return {
        "shop": till.shop,
        "till": till.name,
        "day": day.isoformat(),
        "tickets": [bills[0].ticket, bills[-1].ticket],
        "stated": stated,
        "ledger": found,
        "differing": differing,
        "ok": "total" in stated and not differing,
    }


def _money(amount: Decimal | int) -> Any:
    """An amount as text, to the cent; a count as it is."""
    if isinstance(amount, int):
        return amount
    # An amount with a part of a cent is told whole, so that it differs.
    cents = amount.quantize(CENT)
    return str(cents if cents == amount else amount)


def _bill(till: Till, bill: Bill) -> dict[str, Any]:
    """One bill, as the ledger has it. ``ok``: as the till has it, and it adds up."""
    rows = Order.objects.filter(store=till.shop, till=till.code, business_day=bill.day)
    order = rows.filter(number=bill.ticket).first()
    particulars = {
        "shop": till.shop,
        "till": till.name,
        "day": bill.day.isoformat(),
        "ticket": bill.ticket,
        "story": bill.story,
    }
    if order is None:
        return {**particulars, "status": "missing", "ok": False}
    here = (order.counted, order.paid, order.balance, order.payout or ZERO)
    there = (bill.total if bill.counts else ZERO, bill.paid, bill.owed, bill.payout)
    return {
        **particulars,
        "status": order.display_status,
        "counted": _money(order.counted),
        "returned": _money(order.returned),
        "owed": _money(order.balance),
        "ok": order.adds_up and here == there,
    }
