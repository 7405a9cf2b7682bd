"""Lines of the invented menu, for the bills of the demo's tills."""

from decimal import Decimal
from typing import Any

from neural.replay.bills import BillLine
from neural.replay.live import MENU

CROISSANT, LOAF, BUN, TART, COFFEE = range(len(MENU))


def dish(place: int, quantity: Decimal | int = 1, **more: Any) -> BillLine:
    """A line of the dish at this place of the menu."""
    code, name, price = MENU[place]
    told = {"price": Decimal(price), "quantity": Decimal(quantity)}
    return BillLine(dish=code, name=name, **{**told, **more})


def breakfast_set() -> list[BillLine]:
    """A combo: it has a price, its parts have none, and one part is changed for more money."""
    part: dict[str, Any] = {"parent": "set", "role": "component", "price": Decimal("0.00")}
    return [
        BillLine(dish="D-9", name="Breakfast set", price=Decimal("32.00"), line_id="set"),
        dish(CROISSANT, **part),
        dish(COFFEE, **part, line_id="cup", options=("large", "less sugar")),
        BillLine(dish="M-1", name="Oat milk", price=Decimal("3.00"), role="modifier", parent="cup"),
    ]
