"""Bills as a till keeps them: their lines, what is taken off and added, and what was paid.

The sums are the till's own arithmetic, so that they check those of the ledger. Pure.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

ZERO, ONE = Decimal(0), Decimal(1)
CENT, YUAN = Decimal("0.01"), Decimal(1)
NOWHERE = frozenset({"rejected", "voided"})
"""The statuses with which a bill of the demo counts nowhere."""


def to_cents(amount: Decimal) -> Decimal:
    """The amount rounded half up to cents."""
    return amount.quantize(CENT, ROUND_HALF_UP)


def per_cent_of(amount: Decimal, rate: int) -> Decimal:
    """So many per cent of an amount, in cents."""
    return to_cents(amount * rate / 100)


@dataclass(frozen=True, kw_only=True)
class BillLine:
    """One line. A gift is given for nothing, a void line was taken back before it was cooked."""

    dish: str
    name: str
    price: Decimal
    quantity: Decimal = ONE
    discount: Decimal = ZERO
    line_id: str = ""
    parent: str = ""
    role: str = "item"
    state: str = "sold"
    options: tuple[str, ...] = ()

    @property
    def list_price(self) -> Decimal:
        """What the line costs without any discount."""
        return to_cents(self.quantity * self.price) if self.state == "sold" else ZERO


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A discount, charge, tax or rounding of a whole bill; ``platform`` is a platform's share."""

    kind: str
    amount: Decimal
    name: str
    code: str = ""
    platform: Decimal = ZERO


@dataclass(kw_only=True)
class Bill:
    """One bill. ``story`` says what it shows; ``particulars`` are the table, guests and so on."""

    day: dt.date
    ticket: str
    placed_at: dt.datetime
    lines: list[BillLine]
    entries: list[Entry] = field(default_factory=list)
    particulars: dict[str, Any] = field(default_factory=dict)
    story: str = ""
    status: str = "open"
    closed_at: dt.datetime | None = None
    paid: Decimal = ZERO
    reversed: Decimal = ZERO
    payout: Decimal = ZERO

    @property
    def counts(self) -> bool:
        return self.status not in NOWHERE

    @property
    def gross(self) -> Decimal:
        return sum((line.list_price for line in self.lines), ZERO)

    @property
    def discounts(self) -> Decimal:
        """Those of the lines that were sold, and those of the whole bill."""
        of_lines = (line.discount for line in self.lines if line.state == "sold")
        return sum(of_lines, ZERO) + self.of_kind("discount")

    @property
    def total(self) -> Decimal:
        added = self.of_kind("charge") + self.of_kind("tax") + self.of_kind("rounding")
        return self.gross - self.discounts + added

    @property
    def owed(self) -> Decimal:
        """What the guest still has to pay."""
        return (self.total if self.counts else ZERO) - self.paid + self.reversed

    def of_kind(self, kind: str) -> Decimal:
        return sum((entry.amount for entry in self.entries if entry.kind == kind), ZERO)

    def add(self, kind: str, amount: Decimal, name: str, **more: Any) -> None:
        """Add a discount, a charge, a tax or a rounding."""
        self.entries.append(Entry(kind=kind, amount=amount, name=name, **more))

    def round_down(self) -> None:
        """Let the guest off the part below one yuan, as is usual with cash."""
        self.add("rounding", -(self.total % YUAN), "Rounding of cash")

    def stated(self) -> dict[str, Any]:
        """The payload of the whole bill as it stands, without what every event of a till has."""
        times = {"placed_at": self.placed_at, "closed_at": self.closed_at}
        return {
            "lines": told_all(self.lines),
            "bill": told_all(self.entries),
            "total": str(self.total),
            "status": self.status,
            **{name: moment.isoformat() for name, moment in times.items() if moment},
            **self.particulars,
        }


def told_all(parts: Sequence[BillLine | Entry]) -> list[dict[str, Any]]:
    """Lines or entries as payloads, without what goes without saying: all values but the quantity
    that are the default."""
    return [
        {
            each.name: _plain(value)
            for each in fields(part)
            if (value := getattr(part, each.name)) != each.default or each.name == "quantity"
        }
        for part in parts
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
