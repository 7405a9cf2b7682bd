"""The sums of an order: what its lines and its bill add up to. Pure.

    total  = Σ amounts of lines − lines taken back − discounts + charges + added tax ± rounding
    due    = counted − paid + reversals     (counted: the total, 0 for an order that counts nowhere)
    net    = counted − returns
    payout = total + platform's discounts − charges that it keeps − commission − fees

Tips are outside of the total. A stated total is kept; its difference to the parts is recorded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from neural.restaurant.models.amounts import rounded

ZERO = Decimal(0)


class BilledLine(Protocol):
    """What :func:`amount_of` reads of a line."""

    @property
    def quantity(self) -> Decimal: ...
    @property
    def price(self) -> Decimal: ...
    @property
    def discount(self) -> Decimal: ...
    @property
    def amount(self) -> Decimal | None: ...
    @property
    def state(self) -> str: ...
    @property
    def role(self) -> str: ...


class Entry(Protocol):
    """What :func:`add_up` reads of an entry of the bill."""

    @property
    def kind(self) -> str: ...
    @property
    def amount(self) -> Decimal: ...
    @property
    def included(self) -> bool: ...
    @property
    def platform(self) -> Decimal: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """What an order's parts add up to. ``items`` is the sum of the lines' amounts, after
    ``line_discounts`` and less what was taken back; ``exchanged`` how much that is worth above the
    bill; ``deferred`` the part of the lines that is no sale (a card that was topped up);
    ``difference`` the total less its parts."""

    total: Decimal
    difference: Decimal = ZERO
    items: Decimal = ZERO
    line_discounts: Decimal = ZERO
    exchanged: Decimal = ZERO
    deferred: Decimal = ZERO
    discounts: Decimal = ZERO
    charges: Decimal = ZERO
    tax: Decimal = ZERO
    tax_included: Decimal = ZERO
    rounding: Decimal = ZERO
    platform_discounts: Decimal = ZERO
    platform_charges: Decimal = ZERO


def amount_of(line: BilledLine, *, digits: int) -> Decimal:
    """What a line adds to the total, or takes off it if it was taken back: what it states, nothing
    if it is void or a gift."""
    if line.state in ("gift", "void"):
        return ZERO
    if line.amount is not None:
        return line.amount
    # A discount that is greater than its line shows as a difference of the order.
    return max(ZERO, rounded(line.quantity * line.price, digits) - line.discount)


def add_up(
    lines: Iterable[tuple[BilledLine, Decimal]],
    bill: Iterable[Entry],
    *,
    stated: Decimal | None,
) -> Sums:
    """The sums of lines (with their amounts) and entries; ``stated`` is the total that the till
    states."""
    items = taken_back = line_discounts = deferred = ZERO
    for line, amount in lines:
        if line.state == "returned":
            taken_back += amount
            continue
        items += amount
        if line.state == "sold":
            line_discounts += line.discount
        if line.role == "deferred":
            deferred += amount
    of: dict[str, Decimal] = {}
    for entry in bill:
        name = "tax_included" if entry.included and entry.kind == "tax" else entry.kind
        of[name] = of.get(name, ZERO) + entry.amount
        of[f"platform {name}"] = of.get(f"platform {name}", ZERO) + entry.platform
    discounts, charges = of.get("discount", ZERO), of.get("charge", ZERO)
    tax, rounding = of.get("tax", ZERO), of.get("rounding", ZERO)
    computed = items - discounts + charges + tax + rounding
    # What is worth more than the bill is given back by a refund.
    taken_off = min(taken_back, max(ZERO, computed))
    items, computed = items - taken_off, computed - taken_off
    total = max(ZERO, computed) if stated is None else stated
    return Sums(
        total=total,
        difference=total - computed,
        items=items,
        line_discounts=line_discounts,
        exchanged=taken_back - taken_off,
        deferred=deferred,
        discounts=discounts,
        charges=charges,
        tax=tax,
        tax_included=of.get("tax_included", ZERO),
        rounding=rounding,
        platform_discounts=of.get("platform discount", ZERO),
        platform_charges=of.get("platform charge", ZERO),
    )
