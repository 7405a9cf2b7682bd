"""The figures of a business day, and how they fit together. Pure.

Sales are those of the orders of the day that count (placed, and neither rejected, cancelled, voided
nor merged); money is that of the completed payments and refunds whose own business day it is. So a
refund in the next week lowers the money of its own day, while the order's day shows it as returned.
Amounts of different currencies are never added up.

    gross − discounts + charges + added tax + rounding + difference = total
    total − returned = net
    payments − refunds = received, for each tender

``difference`` is 0 where every order of the day adds up.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import reduce
from operator import add
from typing import Any, Self

ZERO = Decimal(0)
NOT_TAKEN_IN = ("on_account", "stored_value", "points", "voucher", "platform")
"""Tenders that bring the store no money when they are used: it comes later, came before, or never
comes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Summable:
    """Figures that are added up one by one."""

    def __add__(self, other: Self) -> Self:
        names = [each.name for each in fields(self)]
        sums: dict[str, Any] = {name: getattr(self, name) + getattr(other, name) for name in names}
        return type(self)(**sums)


@dataclass(frozen=True, kw_only=True, slots=True)
class Sales(Summable):
    """The sums of orders in one currency, by the names of the order's columns. ``with_guests`` is
    what was sold on orders that state their guests."""

    orders: int = 0
    guests: int = 0
    with_guests: Decimal = ZERO
    items: Decimal = ZERO
    line_discounts: Decimal = ZERO
    bill_discounts: Decimal = ZERO
    charges: Decimal = ZERO
    tax: Decimal = ZERO
    tax_included: Decimal = ZERO
    rounding: Decimal = ZERO
    difference: Decimal = ZERO
    total: Decimal = ZERO
    deferred: Decimal = ZERO
    returned: Decimal = ZERO
    platform_discounts: Decimal = ZERO
    platform_charges: Decimal = ZERO
    commission: Decimal = ZERO

    @property
    def gross(self) -> Decimal:
        """The list price of the sold lines, top-ups included; gifts and void lines are 0. A line
        whose discount is greater than its price counts with the discount."""
        return self.items + self.line_discounts

    @property
    def discounts(self) -> Decimal:
        """Discounts of lines and of bills, those that a platform bears included."""
        return self.line_discounts + self.bill_discounts

    @property
    def all_tax(self) -> Decimal:
        """Tax that was added to the total, and tax that prices include."""
        return self.tax + self.tax_included

    @property
    def sold(self) -> Decimal:
        """The total without top-ups, which are no sale."""
        return self.total - self.deferred

    @property
    def net(self) -> Decimal:
        """The total less what was returned of these orders, on whatever day."""
        return self.total - self.returned

    @property
    def average_check(self) -> Decimal | None:
        """What was sold, by order."""
        return self.sold / self.orders if self.orders else None

    @property
    def average_per_guest(self) -> Decimal | None:
        """What was sold on orders that state their guests, by guest."""
        return self.with_guests / self.guests if self.guests else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tender(Summable):
    """Payments and refunds of one tender in one currency, without tips. A refund that names no
    tender has that of its payment, else the only one of its order's payments."""

    payments: int = 0
    paid: Decimal = ZERO
    refunds: int = 0
    refunded: Decimal = ZERO
    tips: Decimal = ZERO

    @property
    def received(self) -> Decimal:
        """Payments less refunds."""
        return self.paid - self.refunded


@dataclass(frozen=True, kw_only=True, slots=True)
class Money:
    """The payments and refunds of one currency. ``returned`` and ``reversed`` are the two kinds of
    refunds; a refund of an order that counts nowhere undoes a payment."""

    tenders: dict[str, Tender] = field(default_factory=dict)
    returned: Decimal = ZERO
    reversed: Decimal = ZERO

    def __add__(self, other: "Money") -> "Money":
        names = self.tenders.keys() | other.tenders.keys()
        nothing = Tender()
        return Money(
            tenders={
                name: self.tenders.get(name, nothing) + other.tenders.get(name, nothing)
                for name in sorted(names)
            },
            returned=self.returned + other.returned,
            reversed=self.reversed + other.reversed,
        )

    @property
    def all(self) -> Tender:
        """All tenders together."""
        return reduce(add, self.tenders.values(), Tender())

    @property
    def refunds(self) -> Decimal:
        """Returns and payments undone."""
        return self.returned + self.reversed

    @property
    def not_taken_in(self) -> dict[str, Decimal]:
        """What settles bills, but brings the store no money on this day, by tender."""
        known = ((name, self.tenders.get(name, Tender()).received) for name in NOT_TAKEN_IN)
        return {name: amount for name, amount in known if amount}

    @property
    def taken_in(self) -> Decimal:
        """What the store took in on this day."""
        return self.all.received - sum(self.not_taken_in.values(), ZERO)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """Sales and money of one till or store in one currency."""

    sales: Sales = Sales()
    money: Money = Money()

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(sales=self.sales + other.sales, money=self.money + other.money)


def sum_of(figures: Iterable[Figures]) -> Figures:
    """The sum of figures of one currency."""
    return reduce(add, figures, Figures())


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many orders of the day there are of each kind, in whatever currency. The last four are
    counted in all orders, those that count nowhere and expected ones included."""

    placed: int = 0
    cancelled: int = 0
    voided: int = 0
    rejected: int = 0
    merged: int = 0
    expected: int = 0
    unsettled: int = 0
    not_adding_up: int = 0
    given_twice: int = 0
    late_change: int = 0
