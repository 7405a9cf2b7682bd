"""Plays a till: makes the events that a till sends, and adds up its days as a till does.

Its tickets begin again every business day. Each session has tills of its own, so the events of a
later session are new ones.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

from neural.replay.bills import ZERO, Bill, BillLine
from neural.replay.day_totals import DayTotals, Movement, totals_of
from neural.replay.live import CURRENCY, Request, request

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
        made = Bill(
            day=self.day,
            ticket=ticket,
            placed_at=self.now,
            lines=list(lines),
            story=story,
            particulars=particulars,
        )
        self.bills.append(made)
        return made

    def state(self, bill: Bill, status: str = "") -> None:
        """State the whole bill as it stands, with a new status or the former one."""
        bill.status = status or bill.status
        bill.closed_at = self.now if bill.status == "closed" else None
        self._send("order.stated", bill, {"currency": CURRENCY, **bill.stated()})

    def tell(self, bill: Bill, status: str, **why: str) -> None:
        """Tell a bill's new status alone."""
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

    def refund(self, bill: Bill, tender: str, amount: Decimal, **more: Any) -> None:
        """Give money back for what was sold, also on a later day than the bill's."""
        self._move("refund", bill, tender, amount, ZERO, **more)

    def reverse(self, bill: Bill, tender: str, amount: Decimal) -> None:
        """Undo a payment: it is owed again."""
        self._move("refund", bill, tender, amount, ZERO, kind="reversal")
        bill.reversed += amount

    def settle(self, bill: Bill, *, payout: Decimal, commission: Decimal) -> None:
        """State what a platform pays out for a bill."""
        bill.payout = payout
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
        said = {"till": self.code, "day": bill.day.isoformat(), "order_id": bill.ticket, **payload}
        event = f"{self.name}/{self.day}/{len(self.sent[self.day]) + 1:03}"
        self.sent[self.day].append(self._request(kind, event, said, self.now))
        self.now += BETWEEN_EVENTS

    def _request(self, kind: str, event: str, payload: Any, at: dt.datetime) -> Request:
        return request(
            kind=kind, session=self.session, event=event, payload=payload, shop=self.shop, at=at
        )
