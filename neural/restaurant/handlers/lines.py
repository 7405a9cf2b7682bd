"""The rows of an order's lines."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from neural.restaurant.models import Order
from neural.restaurant.schemas.tills import StatedLine


def line_rows(order: Order, lines: Sequence[tuple[StatedLine, Decimal]]) -> list[dict[str, Any]]:
    """The rows of an order's lines with their amounts. A modifier knows the dish that it changes.
    An object of the model for each would take longer than to write them."""
    parents = _parents(lines)
    return [
        {
            "order_id": order.pk,
            "position": position,
            "line_id": line.line_id,
            "parent": parent,
            "demand_dish": _changed_dish(lines, parents, position),
            "role": line.role,
            "state": line.state,
            "dish": line.dish_code,
            "name": line.name,
            "quantity": line.quantity,
            "price": line.price,
            "discount": line.discount,
            "amount": amount,
            "tax": line.tax,
            "options": line.options or None,
            "note": line.note,
        }
        for position, ((line, amount), parent) in enumerate(
            zip(lines, parents, strict=True), start=1
        )
    ]


def _changed_dish(
    lines: Sequence[tuple[StatedLine, Decimal]], parents: Sequence[int | None], position: int
) -> str:
    """The dish that a modifier changes, also where it changes another modifier; empty if it is
    none, or belongs to no line."""
    changed = ""
    while lines[position - 1][0].role == "modifier" and (above := parents[position - 1]):
        changed, position = lines[above - 1][0].dish_code, above
    return changed


def _parents(lines: Sequence[tuple[StatedLine, Decimal]]) -> list[int | None]:
    """The position of the line that each belongs to, by that one's own id. Lines that belong to one
    another in a circle belong to none."""
    positions = {
        line.line_id: position for position, (line, _) in enumerate(lines, start=1) if line.line_id
    }
    parents = [positions.get(line.parent) for line, _ in lines]
    if not positions:
        return parents
    return [
        None if _leads_back(position, parents) else parent
        for position, parent in enumerate(parents, start=1)
    ]


def _leads_back(position: int, parents: Sequence[int | None]) -> bool:
    """Whether the parents of a line lead back to it."""
    seen: set[int] = set()
    above = parents[position - 1]
    while above is not None and above not in seen:
        if above == position:
            return True
        seen.add(above)
        above = parents[above - 1]
    return False
