"""Plays a till: keeps its bills, makes the events that it sends, and adds up its days.

The sums are the till's own arithmetic, so that they check those of the ledger. Its tickets begin
again every business day. Each session has tills of its own, so the events of a later session are
new ones.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from zhilian.demo.live import CURRENCY, MENU, Request, request

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
            "lines": stated(self.lines),
            "bill": stated(self.entries),
            "total": str(self.total),
            "status": self.status,
            **{name: moment.isoformat() for name, moment in times.items() if moment},
            **self.particulars,
        }


def stated(parts: Sequence[BillLine | Entry]) -> list[dict[str, Any]]:
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


SIGN = {"payment": 1, "refund": -1}


@dataclass(frozen=True, kw_only=True)
class Movement:
    """Money that went into the drawer (a payment) or out of it (a refund) on a business day."""

    day: dt.date
    kind: str
    tender: str
    amount: Decimal
    tip: Decimal = ZERO


@dataclass(frozen=True, kw_only=True)
class DayTotals:
    """A business day of a till. ``sums`` has the names of ``day.closed``; ``tenders`` are payments
    less refunds, without tips."""

    orders: int
    guests: int
    sums: dict[str, Decimal]
    tenders: dict[str, Decimal]


def totals_of(bills: Sequence[Bill], movements: Sequence[Movement]) -> DayTotals:
    """The totals of a business day's bills and of the movements of the same day: money that is
    returned for a bill of another day belongs to the day on which it is returned."""
    counted = [bill for bill in bills if bill.counts]
    tenders: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in movements:
        tenders[each.tender] += SIGN[each.kind] * each.amount
    return DayTotals(
        orders=len(counted),
        guests=sum(bill.particulars.get("guests", 0) for bill in counted),
        sums={
            "gross": _sum(bill.gross for bill in counted),
            "discounts": _sum(bill.discounts for bill in counted),
            "charges": _sum(bill.of_kind("charge") for bill in counted),
            "tax": _sum(bill.of_kind("tax") for bill in counted),
            "rounding": _sum(bill.of_kind("rounding") for bill in counted),
            "total": _sum(bill.total for bill in counted),
            "tips": _sum(SIGN[each.kind] * each.tip for each in movements),
            "refunds": _sum(each.amount for each in movements if each.kind == "refund"),
        },
        tenders=dict(tenders),
    )


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)


BETWEEN_EVENTS = dt.timedelta(minutes=1)


class Till:
    """One till of an invented shop. What it does becomes an event in ``sent``, by the business day
    on which it does it."""

    def __init__(self, *, session: str, shop: str, name: str) -> None:
        self.session, self.shop, self.name = session, shop, name
        self.code = f"{name}-{session}"
        self.bills: list[Bill] = []
        self.movements: list[Movement] = []
        self.sent: dict[dt.date, list[Request]] = {}

    # Its days

    def begin(self, day: dt.date, opens_at: dt.datetime) -> None:
        """Begin a business day: with the first ticket again, and one minute between events."""
        self.day, self.now = day, opens_at
        self.sent[day] = []

    @property
    def days(self) -> list[dt.date]:
        """The business days that have begun, in order."""
        return list(self.sent)

    def bills_of(self, day: dt.date) -> list[Bill]:
        return [bill for bill in self.bills if bill.day == day]

    def totals(self, day: dt.date) -> DayTotals:
        """What the till made of a business day."""
        moved = [each for each in self.movements if each.day == day]
        return totals_of(self.bills_of(day), moved)

    def closing(self, day: dt.date) -> Request:
        """The event with which the till closes a business day that has begun and ended."""
        totals, tickets = self.totals(day), [bill.ticket for bill in self.bills_of(day)]
        payload = {
            "till": self.code,
            "business_day": day.isoformat(),
            "currency": CURRENCY,
            "orders": totals.orders,
            "guests": totals.guests,
            "first_ticket": tickets[0],
            "last_ticket": tickets[-1],
            "sums": {name: str(value) for name, value in totals.sums.items()},
            "tenders": {name: str(value) for name, value in totals.tenders.items()},
        }
        at = self.sent[day][-1]["occurred_at"] + BETWEEN_EVENTS
        return self._request("day.closed", f"{self.name}/{day}/closed", payload, at)

    # What is done at it

    def bill(self, *lines: BillLine, story: str = "", **particulars: Any) -> Bill:
        """A bill with the next ticket of the day; it is not stated yet."""
        ticket = f"A-{len(self.bills_of(self.day)) + 1}"
        self.bills.append(
            Bill(
                day=self.day,
                ticket=ticket,
                placed_at=self.now,
                lines=list(lines),
                story=story,
                particulars=particulars,
            )
        )
        return self.bills[-1]

    def state(self, bill: Bill, status: str = "") -> None:
        """State the whole bill as it stands, with a new status or the former one."""
        bill.status = status or bill.status
        bill.closed_at = self.now if bill.status == "closed" else None
        self._send("order.stated", bill, {"currency": CURRENCY, **bill.stated()})

    def change(self, bill: Bill, status: str, **why: str) -> None:
        """State a bill's new status alone."""
        bill.status = status
        self._send("order.status_changed", bill, {"status": status, **why})

    def pay(
        self,
        bill: Bill,
        tender: str,
        amount: Decimal | None = None,
        *,
        tip: Decimal = ZERO,
        given: Decimal | None = None,
    ) -> None:
        """Take a payment, by default of all that is owed."""
        amount = bill.owed if amount is None else amount
        more = {} if given is None else {"given": str(given)}
        self._move("payment", bill, tender, amount, tip, **more)
        bill.paid += amount

    def close(self, bill: Bill, tender: str, **more: Decimal) -> None:
        """Take a payment of all that is owed, and state the bill as closed."""
        self.pay(bill, tender, **more)
        self.state(bill, "closed")

    def refund(self, bill: Bill, tender: str, amount: Decimal, **more: Any) -> None:
        """Give money back for what was sold, also on a later day than the bill's."""
        self._move("refund", bill, tender, amount, ZERO, **more)

    def reverse(self, bill: Bill, tender: str, amount: Decimal) -> None:
        """Undo a payment: it is owed again."""
        self._move("refund", bill, tender, amount, ZERO, kind="reversal")
        bill.reversed += amount

    def settle(self, bill: Bill, *, payout: Decimal, commission: Decimal) -> None:
        """State what a platform pays out for a bill."""
        sums = {"payout": str(payout), "commission": str(commission), "final": True}
        self._send("settlement.stated", bill, sums)

    def _move(
        self, which: str, bill: Bill, tender: str, amount: Decimal, tip: Decimal, **more: Any
    ) -> None:
        moved = Movement(day=self.day, kind=which, tender=tender, amount=amount, tip=tip)
        self.movements.append(moved)
        payload = {
            f"{which}_id": str(len(self.movements)),
            "business_day": self.day.isoformat(),
            "currency": CURRENCY,
            "tender": tender,
            "amount": str(amount),
            **({"tip": str(tip)} if tip else {}),
            **more,
        }
        self._send(f"{which}.stated", bill, payload)

    def _send(self, kind: str, bill: Bill, payload: Request) -> None:
        whole = {"till": self.code, "day": bill.day.isoformat(), "order_id": bill.ticket, **payload}
        event = f"{self.name}/{self.day}/{len(self.sent[self.day]) + 1:03}"
        self.sent[self.day].append(self._request(kind, event, whole, self.now))
        self.now += BETWEEN_EVENTS

    def _request(self, kind: str, event: str, payload: Any, at: dt.datetime) -> Request:
        return request(
            kind=kind, session=self.session, event=event, payload=payload, shop=self.shop, at=at
        )


CROISSANT, LOAF, BUN, TART, COFFEE = range(len(MENU))


def dish(place: int, quantity: Decimal | int = 1, **more: Any) -> BillLine:
    """A line of the dish at this place of the menu."""
    code, name, price = MENU[place]
    more.setdefault("price", Decimal(price))
    return BillLine(dish=code, name=name, quantity=Decimal(quantity), **more)


def breakfast_set() -> list[BillLine]:
    """A combo: it has a price, its parts have none, and one part is changed for more money."""
    part: dict[str, Any] = {"parent": "set", "role": "component", "price": Decimal("0.00")}
    return [
        BillLine(dish="D-9", name="Breakfast set", price=Decimal("32.00"), line_id="set"),
        dish(CROISSANT, **part),
        dish(COFFEE, **part, line_id="cup", options=("large", "less sugar")),
        BillLine(dish="M-1", name="Oat milk", price=Decimal("3.00"), role="modifier", parent="cup"),
    ]
