"""Invented live events of two invented shops, for the demo.

Nothing here is real: the names and ids of shops, orders, payments and stock say so. Each session's
ids begin with the session's name, so a later session's events are new ones.
"""

import datetime as dt
import itertools
import random
from collections.abc import Iterator
from typing import Any

from neural.models import Store
from zhilian.demo.bakery import register_shop

SOURCE = "demo"
BRAND = "Demo (invented)"
SHOPS = {"demo-1": "Demo shop 1 (invented)", "demo-2": "Demo shop 2 (invented)"}
CURRENCY = "CNY"
MENU = (
    ("D-1", "Butter croissant", "9.50"),
    ("D-2", "Sourdough loaf", "28.00"),
    ("D-3", "Red bean bun", "6.00"),
    ("D-4", "Egg tart", "7.50"),
    ("D-5", "Coffee", "18.00"),
)
INGREDIENTS = (("Flour", "kg", 25), ("Butter", "kg", 8), ("Eggs", "piece", 120))

Request = dict[str, Any]
Lines = list[dict[str, Any]]


def register_shops() -> None:
    """Register the invented shops."""
    for code, name in SHOPS.items():
        register_shop(code=code, name=name, brand=BRAND)


def business_days(moment: dt.datetime) -> dict[str, dt.date]:
    """The business day of this moment in each of the invented shops."""
    return {each.pk: each.business_day(moment) for each in Store.objects.filter(pk__in=SHOPS)}


def request(
    *,
    kind: str,
    session: str,
    event: str,
    payload: dict[str, Any],
    shop: str = "demo-1",
    at: dt.datetime | None = None,
    **more: Any,
) -> Request:
    """Arguments of ``neural.submit`` for one invented event, which occurs now by default."""
    return {
        "type": kind,
        "store": shop,
        "source": SOURCE,
        "event_id": f"{session}-{event}",
        "payload": payload,
        "occurred_at": at or dt.datetime.now(dt.UTC),
        **more,
    }


def line(dish: int, quantity: int) -> dict[str, Any]:
    """An order's line: a quantity of one dish of the menu."""
    code, name, price = MENU[dish]
    return {"dish": code, "name": name, "quantity": quantity, "price": price}


def order(
    *, session: str, number: str, lines: Lines, change: str = "created", **more: Any
) -> Request:
    """An order as it stands after it was created or updated."""
    return request(
        kind=f"order.{change}",
        session=session,
        event=f"{number}-{change}",
        payload={"order_id": f"{session}-{number}", "currency": CURRENCY, "lines": lines},
        **more,
    )


def payment(*, session: str, number: str, amount: str, **more: Any) -> Request:
    """A payment for the order of this number."""
    return request(
        kind="payment.completed",
        session=session,
        event=f"{number}-paid",
        payload={
            "payment_id": f"{session}-{number}-p",
            "order_id": f"{session}-{number}",
            "amount": amount,
            "currency": CURRENCY,
            "method": "demo",
        },
        **more,
    )


def stock(*, session: str, number: str, item: int, level: int, **more: Any) -> Request:
    """A stock count of one ingredient, taken now."""
    name, unit, threshold = INGREDIENTS[item]
    return request(
        kind="inventory.updated",
        session=session,
        event=f"{number}-count",
        payload={"item": name, "unit": unit, "level": level, "threshold": threshold},
        **more,
    )


def ordinary_events(*, session: str, dice: random.Random) -> Iterator[Request]:
    """Orders, their payments and stock counts in turn, without end. The first order has every dish,
    so that each dish is found when somebody searches for it."""
    for count in itertools.count(100):
        shop = dice.choice(sorted(SHOPS))
        number = str(count)
        size = len(MENU) if count == 100 else dice.randint(1, 3)
        lines = [line(dish, dice.randint(1, 4)) for dish in dice.sample(range(len(MENU)), size)]
        yield order(session=session, number=number, lines=lines, shop=shop)
        yield payment(session=session, number=number, amount=total(lines), shop=shop)
        item = dice.randrange(len(INGREDIENTS))
        level = dice.randint(1, 3 * INGREDIENTS[item][2])
        yield stock(session=session, number=number, item=item, level=level, shop=shop)


def total(lines: Lines) -> str:
    """The price of an order of these lines."""
    cents = sum(each["quantity"] * round(100 * float(each["price"])) for each in lines)
    return f"{cents / 100:.2f}"
