"""The rows of an order's lines."""

from collections.abc import Sequence
from decimal import Decimal

from neural.restaurant.models import Order, OrderLine
from neural.restaurant.schemas.tills import StatedLine


def line_rows(order: Order, lines: Sequence[tuple[StatedLine, Decimal]]) -> list[OrderLine]:
    """The lines of an order with their amounts."""
    return [
        OrderLine(
            order_id=order.pk,
            position=position,
            line_id=line.line_id,
            parent=parent,
            role=line.role,
            state=line.state,
            dish=line.dish_code,
            name=line.name,
            quantity=line.quantity,
            price=line.price,
            discount=line.discount,
            amount=amount,
            tax=line.tax,
            options=line.options or None,
            note=line.note,
        )
        for position, ((line, amount), parent) in enumerate(
            zip(lines, _parents(lines), strict=True), start=1
        )
    ]


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
