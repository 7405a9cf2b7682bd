"""The days of the demo's tills: what each till made of them, and what their rows in the ledger add
up to."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from neural.replay.bills import CENT, ZERO, Bill
from neural.replay.day_totals import DayTotals
from neural.replay.live import CURRENCY
from neural.replay.till import Till
from neural.restaurant.days.figures import together
from neural.restaurant.days.sums import tills_of
from neural.restaurant.models import Order


def report(tills: Sequence[Till]) -> dict[str, Any]:
    """Every day and every bill of the tills. ``ok``: ledger and tills agree to the cent."""
    days = [_day(till, day) for till in tills for day in till.days]
    bills = [_bill(till, bill) for till in tills for bill in till.bills]
    first = _given_again(tills)
    return {
        "currency": CURRENCY,
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
    stated, found = _flat(till.totals(day)), _flat(ledger_totals(till, day))
    tickets = [bill.ticket for bill in till.bills_of(day)]
    differing = [name for name in {**stated, **found} if stated.get(name) != found.get(name)]
    return {
        "shop": till.shop,
        "till": till.name,
        "day": day.isoformat(),
        "tickets": [tickets[0], tickets[-1]],
        "stated": stated,
        "ledger": found,
        "differing": differing,
        "ok": not differing,
    }


def ledger_totals(till: Till, day: dt.date) -> DayTotals:
    """What the rows of a till's business day add up to."""
    here = (till.shop, day)
    of_till = [
        each for (code, _), each in tills_of([here]).get(here, {}).items() if code == till.code
    ]
    figures = together(of_till)
    sales, money = figures.sales, figures.money
    orders = Order.objects.filter(store=till.shop, till=till.code, business_day=day)
    return DayTotals(
        orders=sales.orders,
        guests=sales.guests,
        sums={
            "gross": sales.gross,
            "discounts": sales.discounts,
            "charges": sales.charges,
            "tax": sales.all_tax,
            "rounding": sales.rounding,
            "total": sales.total,
            "tips": money.all.tips,
            "refunds": money.refunds,
        },
        tenders={name: tender.received for name, tender in money.tenders.items()},
        owed=sum((order.balance for order in orders), ZERO),
        payout=sum((order.payout or ZERO for order in orders if order.counted_day), ZERO),
    )


def _flat(totals: DayTotals) -> dict[str, Any]:
    """Totals as a report has them: amounts as text, to the cent."""
    told = asdict(totals)
    amounts = {**told.pop("sums"), **told.pop("tenders")}
    amounts |= {name: told.pop(name) for name in ("owed", "payout")}
    return {**told, **{name: _money(value) for name, value in amounts.items()}}


def _money(amount: Decimal) -> str:
    # An amount with a part of a cent is told whole, so that it differs.
    cents = amount.quantize(CENT)
    return str(cents if cents == amount else amount)


def _bill(till: Till, bill: Bill) -> dict[str, Any]:
    """One bill, as the ledger has it. ``ok``: as the till has it, and it adds up."""
    rows = Order.objects.filter(store=till.shop, till=till.code, business_day=bill.day)
    order = rows.filter(number=bill.ticket).first()
    told = {
        "shop": till.shop,
        "till": till.name,
        "day": bill.day.isoformat(),
        "ticket": bill.ticket,
        "story": bill.story,
    }
    if order is None:
        return {**told, "status": "missing", "ok": False}
    return {
        **told,
        "status": order.shown_status,
        "counted": _money(order.counted),
        "returned": _money(order.returned),
        "owed": _money(order.balance),
        "ok": _agrees(order, bill),
    }


def _agrees(order: Order, bill: Bill) -> bool:
    found = (order.counted, order.paid, order.balance, order.payout or ZERO)
    counted = bill.total if bill.counts else ZERO
    return order.adds_up and found == (counted, bill.paid, bill.owed, bill.payout)
