"""An order as a receipt: its lines, its bill and its payments."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.restaurant.admin.amounts import amount_in, rate
from neural.restaurant.models import (
    Order,
    OrderLine,
    OrderState,
    Payment,
    PaymentKind,
)

DEEPEST = 5
"""How far lines are indented."""

KINDS = {
    "discount": gettext_lazy("Discount"),
    "charge": gettext_lazy("Charge"),
    "tax": gettext_lazy("Tax"),
    "rounding": gettext_lazy("Rounding"),
}
CODES = {
    "service": gettext_lazy("Service charge"),
    "packing": gettext_lazy("Packing"),
    "delivery": gettext_lazy("Delivery"),
    "coupon": gettext_lazy("Coupon"),
}


@dataclass(frozen=True)
class ReceiptLine:
    """A line and how deep it is below the line that it belongs to."""

    line: OrderLine
    depth: int

    @property
    def counts(self) -> bool:
        return self.line.state != "void"


def grouped(lines: Sequence[OrderLine]) -> Sequence[ReceiptLine]:
    """The lines in their order, each followed by those that belong to it."""
    places = {line.position for line in lines}
    below: defaultdict[int | None, list[OrderLine]] = defaultdict(list)
    for line in lines:
        below[line.parent if line.parent in places else None].append(line)
    found = list(_tree(below))
    # Lines that belong to each other in a circle are under no other line.
    shown = {each.line.position for each in found}
    return [*found, *(ReceiptLine(line, 0) for line in lines if line.position not in shown)]


def _tree(below: dict[int | None, list[OrderLine]]) -> Iterator[ReceiptLine]:
    """Without recursion: a till may nest a thousand lines."""
    waiting = [(line, 0) for line in reversed(below.get(None, []))]
    while waiting:
        line, depth = waiting.pop()
        yield ReceiptLine(line, min(depth, DEEPEST))
        waiting += [(child, depth + 1) for child in reversed(below.get(line.position, []))]


@dataclass(frozen=True)
class BillRow:
    """One entry of the bill; ``amount`` has its sign. An included tax is only mentioned."""

    kind: str
    name: str
    amount: Decimal
    is_added: bool = True
    details: Sequence[str] = ()


def bill_rows(order: Order) -> Sequence[BillRow]:
    """The entries of the bill in the order of the sum."""
    rows = [_bill_row(entry, order) for entry in order.bill]
    return sorted(rows, key=lambda row: list(KINDS).index(row.kind))


def _bill_row(entry: dict[str, Any], order: Order) -> BillRow:
    kind, amount = entry["kind"], Decimal(entry["amount"])
    included = kind == "tax" and bool(entry.get("included"))
    code = entry.get("code", "")
    return BillRow(
        kind=kind,
        name=entry.get("name") or str(CODES.get(code, code) or KINDS[kind]),
        amount=-amount if kind == "discount" else amount,
        is_added=not included,
        details=list(_details(entry, order, included)),
    )


def _details(entry: dict[str, Any], order: Order, included: bool) -> Iterator[str]:
    if entry.get("rate") is not None:
        yield rate(entry["rate"])
    if entry["kind"] == "tax":
        yield _("included in the prices") if included else _("added")
    share = Decimal(entry.get("platform", 0))
    if share:
        kept = entry["kind"] == "charge"
        text = _("the platform keeps %(amount)s") if kept else _("the platform bears %(amount)s")
        yield text % {"amount": amount_in(share, order.currency)}


MOST_PAYMENTS = 200
"""How many payments and refunds are shown: a number that was given again and again has many."""


def newest_payments(order: Order) -> Sequence[Payment]:
    """The newest payments and refunds of an order, in the order of time."""
    return list(order.payments.order_by("-occurred_at", "-pk")[:MOST_PAYMENTS])[::-1]


@dataclass(frozen=True)
class Receipt:
    """All of it; ``payments`` is None for a user who may not see payments."""

    order: Order
    lines: Sequence[ReceiptLine]
    payments: Sequence[Payment] | None
    refunds: Sequence[Payment] | None
    items: Decimal

    @property
    def is_known(self) -> bool:
        """Whether anything but payments and statuses is known."""
        return self.order.state != OrderState.EXPECTED or bool(self.lines)

    @property
    def is_cut(self) -> bool:
        """Whether there may be more payments and refunds."""
        return len(self.payments or ()) + len(self.refunds or ()) == MOST_PAYMENTS


def receipt_of(order: Order, payments: Sequence[Payment] | None) -> Receipt:
    """The receipt of an order with these payments and refunds."""
    lines = list(order.lines.order_by("position"))
    return Receipt(
        order,
        grouped(lines),
        _of_kind(payments, PaymentKind.PAYMENT),
        _of_kind(payments, PaymentKind.REFUND),
        sum((line.amount for line in lines), Decimal(0)),
    )


def _of_kind(payments: Sequence[Payment] | None, kind: str) -> Sequence[Payment] | None:
    return None if payments is None else [each for each in payments if each.kind == kind]
