"""Writes events in the normal form. Imports no Django.

The fields are those of the event types of tills; what is empty is left out.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from neural.hooks.platforms.amounts import LARGEST, digest, padded, rounded, written
from neural.hooks.platforms.base import CannotTranslate, Translated
from neural.hooks.platforms.reading import LARGEST_QUANTITY, MOST_PARTS, Fields

MOST_ENTRIES = 200
ZERO = Decimal(0)
_RANKS = (
    "scheduled",
    "open",
    "accepted",
    "preparing",
    "ready",
    "delivering",
    "closed",
    "rejected",
    "cancelled",
    "voided",
    "merged",
)


def stated(**values: Any) -> dict[str, Any]:
    """The values as JSON, without those that are None, empty or false."""
    written_values = ((name, _json(value)) for name, value in values.items())
    return {
        name: value
        for name, value in written_values
        if value is not None and value not in ("", [], {})
    }


def _json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return written(value)
    if isinstance(value, dt.date):  # also a time
        return value.isoformat()
    if value is False:
        return None
    return list(value) if isinstance(value, tuple) else value


def line(
    *,
    quantity: Decimal,
    price: Decimal,
    dish: str = "",
    name: str = "",
    discount: Decimal = ZERO,
    amount: Decimal | None = None,
    state: str = "sold",
    role: str = "item",
    **more: Any,
) -> dict[str, Any]:
    """One line. ``amount``: what all pieces cost after the discount, if the platform states it.
    ``more``: line_id, parent, options, note, tax."""
    if not (dish or name):
        raise CannotTranslate("a line names no dish")
    money = (price, discount, amount or ZERO)
    if min(money) < 0:
        raise CannotTranslate(f"the line of {name or dish!r:.80} has a negative price or discount")
    if quantity >= LARGEST_QUANTITY or max(money) >= LARGEST:
        raise CannotTranslate(f"the line of {name or dish!r:.80} is too large")
    return stated(
        dish=dish,
        name=name,
        quantity=quantity,
        price=price,
        discount=discount or None,
        amount=amount,
        state=state if state != "sold" else None,
        role=role if role != "item" else None,
        **more,
    )


def amount_of(line: Mapping[str, Any]) -> Decimal:
    """What a line costs: what the platform states, else its price for all pieces."""
    if "amount" in line:
        return Decimal(line["amount"])
    return rounded(Decimal(line["quantity"]) * Decimal(line["price"]))


def entry(kind: str, amount: Decimal, *, platform: Decimal = ZERO, **more: Any) -> dict[str, Any]:
    """One entry of the bill. ``more``: name, code, rate, included."""
    if kind != "rounding" and amount < 0:
        raise CannotTranslate(f"a {kind} of the bill is negative")
    return stated(kind=kind, amount=amount, platform=max(platform, ZERO) or None, **more)


def entries(*found: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Entries of the bill without those that cost nothing."""
    return [each for each in found if each and Decimal(each["amount"])]


def withheld_fee(
    fee: Decimal, before: Decimal, payout: Decimal | None, default: Decimal
) -> Decimal:
    """How much of a delivery fee the platform keeps: what the payout says, if it can be so much.

    ``before`` is the payout if it kept nothing, ``default`` what it keeps if the payout says
    nothing.
    """
    withheld = default if payout is None else before - payout
    return withheld if ZERO <= withheld <= fee else default


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What a platform states of one order at one moment. Event ids begin with the id of what they
    are about and its version, so that they have the order of the versions as text."""

    till: str
    order_id: str
    at: dt.datetime
    """When the platform changed it."""
    currency: str = ""
    """Of the order and its money, on platforms that have only one."""
    version: int | None = None
    """The platform's own number of the change, if it counts them."""
    status: str = ""
    """The status of the order; it orders what changed in the same moment."""
    push_id: str = ""
    """The push that told of the change, if ``at`` is only when the order was fetched: an order that
    is fetched once more for the same push is then the same event."""

    def order(self, lines: Sequence[Mapping[str, Any]], **more: Any) -> Translated:
        """order.stated. ``more``: its optional fields."""
        bill = more.get("bill") or []
        if len(lines) > MOST_PARTS or len(bill) > MOST_ENTRIES:
            raise CannotTranslate(f"more than {MOST_PARTS} lines, or {MOST_ENTRIES} of the bill")
        costs = sum(map(amount_of, lines))
        if costs >= LARGEST or sum(abs(Decimal(each["amount"])) for each in bill) >= LARGEST:
            raise CannotTranslate(f"the order adds up to {LARGEST:,} or more")
        _must_not_be_negative("the total", more.get("total"))
        payload = {
            **self._of_order(),
            "lines": list(lines),
            **stated(status=self.status, **self._in_currency(more)),
        }
        return self._event("order.stated", self.order_id, payload)

    def status_change(self, **more: Any) -> Translated:
        """order.status_changed. ``more``: reason, by."""
        payload = {**self._of_order(), **stated(status=self.status, **more)}
        return self._event("order.status_changed", self.order_id, payload)

    def merge(self, orders: Sequence[str]) -> Translated:
        """order.merged: these orders into this one."""
        payload = {"till": self.till, "into": self.order_id, "orders": list(orders)}
        return self._event("order.merged", self.order_id, payload)

    def payment(self, payment_id: str, amount: Decimal, **more: Any) -> Translated:
        """payment.stated. ``more``: its optional fields."""
        return self._money("payment.stated", "payment_id", payment_id, amount, more)

    def refund(self, refund_id: str, amount: Decimal, **more: Any) -> Translated:
        """refund.stated. ``more``: its optional fields."""
        return self._money("refund.stated", "refund_id", refund_id, amount, more)

    def settlement(self, payout: Decimal, **more: Any) -> Translated:
        """settlement.stated. ``more``: commission, fees, final."""
        _must_not_be_negative("the commission", more.get("commission"))
        payload = {**self._of_order(), **stated(payout=payout, **more)}
        return self._event("settlement.stated", self.order_id, payload)

    def _money(
        self, kind: str, field: str, identity: str, amount: Decimal, more: Mapping[str, Any]
    ) -> Translated:
        for name, value in (("amount", amount), *more.items()):
            if isinstance(value, Decimal):
                _must_not_be_negative(f"the {name} of {identity!r:.80}", value)
        payload = {
            **self._of_order(),
            field: identity,
            **stated(amount=amount, **self._in_currency(more)),
        }
        return self._event(kind, identity, payload)

    def _in_currency(self, more: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"currency": self.currency, **more}

    def only(self, what: str) -> str:
        """The id of something of which an order has only one."""
        return f"{self.order_id[:80]}-{what}"

    def _of_order(self) -> dict[str, Any]:
        return {"till": self.till, "order_id": self.order_id}

    def _event(self, kind: str, subject: str, payload: Mapping[str, Any]) -> Translated:
        return event(
            kind,
            subject,
            payload,
            at=self.at,
            version=self.version,
            rank=_RANKS.index(self.status) if self.status in _RANKS else 0,
            push_id=self.push_id,
        )


def returned(line: Fields, *, name: str, quantity: str, price: str) -> dict[str, Any]:
    """What a refund returns of a line; the last three are the names of its fields."""
    count = line.quantity(quantity, 1)
    amount = rounded(count * abs(line.money(price)))
    if amount >= LARGEST:
        raise line.wrong(price, "a smaller price")
    return {**stated(name=line.name(name), quantity=count), "amount": written(amount)}


def event(
    kind: str,
    subject: str,
    payload: Mapping[str, Any],
    *,
    at: dt.datetime,
    version: int | None = None,
    rank: int = 0,
    push_id: str = "",
) -> Translated:
    """An event about one thing. The same state has the same id, however often it is fetched; two
    states have two. ``push_id`` tells states apart where ``at`` is when they were fetched."""
    moment = digest(push_id) if push_id else padded(max(0, int(at.timestamp() * 1000)), 14)
    number = padded(version) if version is not None else f"{moment}:{rank:02d}"
    return Translated(
        type=kind,
        event_id=f"{subject}:{number}:{kind}:{digest([payload, moment])}",
        payload=payload,
        occurred_at=at,
    )


def _must_not_be_negative(what: str, value: Any) -> None:
    if isinstance(value, Decimal) and value < 0:
        raise CannotTranslate(f"{what} is negative")
