"""The orders of the demo's invented shops, and the days of their tills, as text for people."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

Report = dict[str, Any]
SUMS = {
    "orders": "orders",
    "guests": "guests",
    "gross": "gross",
    "discounts": "- discounts",
    "charges": "+ charges",
    "tax": "+ tax",
    "rounding": "± rounding",
    "total": "= total",
    "tips": "tips",
    "refunds": "refunds",
}
LAST = {"owed": "owed", "payout": "paid out to us"}
WIDTH, FIRST_WIDTH = 12, 16


def order_lines(report: Report) -> Iterator[str]:
    """The orders of this session's ordinary events, and what is low in stock."""
    orders, currency = report["orders"], report["orders"]["currency"]
    sums = f"{orders['total']:,.2f} {currency}, {orders['paid']:,.2f} of it paid"
    yield f"ORDERS   invented, {orders['count']:,} without a till: {sums}; the newest:"
    for order in orders["newest"]:
        yield (
            f"  {order['number']} of {order['shop']}: {order['state']}, "
            f"{order['total']:.2f} {currency}, paid {order['paid']:.2f}"
        )
    for item in report["low_stock"]:
        yield f"  low in {item['shop']}: {item['item']}, {item['level']:g} {item['unit']} left"


def day_lines(report: Report) -> Iterator[str]:
    """A table with a column for each day, then the bills that show something."""
    tills = report["tills"]
    days, first = tills["days"], tills["first_ticket"]
    yield f"DAYS     invented, in {tills['currency']}, as each till closed them"
    for name in ("shop", "till", "day"):
        yield _row(name, (day[name] for day in days))
    yield _row("tickets", (" to ".join(day["tickets"]) for day in days))
    for name, title in _titles(days).items():
        yield _row(title, (day["stated"].get(name, "") for day in days))
    yield _row("the ledger", ("agrees" if day["ok"] else "DIFFERS" for day in days))
    for day in days:
        yield from _differences(day)
    mark = "" if first["ok"] else "NOT OK "
    orders = f"{len(first['orders'])} orders: {', '.join(first['orders'])}"
    yield f"  {mark}{first['ticket']}, which each till gave on each day, is {orders}"
    yield from _bills(tills["bills"])


def _titles(days: Sequence[Report]) -> dict[str, str]:
    """The names of what the days state, with titles; tenders between the sums and the rest."""
    named = {name for day in days for name in day["stated"]}
    tenders = sorted(named - {*SUMS, *LAST})
    return {**SUMS, **{each: each.replace("_", " ") for each in tenders}, **LAST}


def _row(title: str, values: Iterable[Any]) -> str:
    row = f"  {title:<{FIRST_WIDTH}}" + "".join(f"{value:>{WIDTH}}" for value in values)
    return row.rstrip()


def _differences(day: Report) -> Iterator[str]:
    for name in day["differing"]:
        stated, found = (day[side].get(name, "nothing") for side in ("stated", "ledger"))
        where = f"{day['shop']} {day['till']} {day['day']}"
        yield f"  NOT OK {where}: {name} is {stated} at the till, {found} in the ledger"


def _bills(bills: Sequence[Report]) -> Iterator[str]:
    """The bills, each story once, under the till and the day that they are of."""
    seen: set[str] = set()
    place = ""
    for bill in bills:
        if bill["ok"] and bill["story"] in seen:
            continue
        seen.add(bill["story"])
        former, place = place, f"  {bill['shop']}, {bill['till']}, {bill['day']}"
        if place != former:
            yield place
        yield _bill(bill)


def _bill(bill: Report) -> str:
    mark = "ok " if bill["ok"] else "NOT OK"
    if bill["status"] == "missing":
        return f"    {mark} {bill['ticket']} missing"
    money = f"{bill['counted']}, owed {bill['owed']}"
    returned = "" if bill["returned"] == "0.00" else f"; returned {bill['returned']}"
    return f"    {mark} {bill['ticket']} {money:<19} {bill['story']}{returned}".rstrip()
