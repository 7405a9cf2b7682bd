"""The page of an order: its receipt with lines, bill and payments, and its course."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.personal.redacting import shown
from neural.restaurant.admin.amounts import amount_in, rate
from neural.restaurant.admin.order_events import MOST_NEAR, events_of, runs_by_event
from neural.restaurant.models import (
    Order,
    OrderLine,
    OrderState,
    OrderStatus,
    Payment,
    PaymentKind,
)
from neural.restaurant.models.order_status import DeliveryStatus


@dataclass(frozen=True)
class Sum:
    """A row of a sum: what is added, with its sign, or a result."""

    label: str
    amount: Decimal
    is_result: bool = False


def owed(order: Order) -> Sequence[Sum]:
    """How what is owed follows from the total and the payments."""
    rows = [Sum(_("Total"), order.counted), Sum(_("Paid"), -order.paid)]
    if order.reversed:
        rows.append(Sum(_("Payments undone"), order.reversed))
    label = _("Paid too much") if order.balance < 0 else _("Still owed")
    return [*rows, Sum(label, abs(order.balance), is_result=True)]


def sold(order: Order) -> Sequence[Sum]:
    """What was sold in the end, if something was returned."""
    if not order.returned:
        return ()
    parts = [Sum(_("Total"), order.counted), Sum(_("Returned"), -order.returned)]
    return [*parts, Sum(_("Net"), order.net, is_result=True)]


def payout(order: Order) -> Sequence[Sum]:
    """What a platform should pay out, if the order has anything to do with one."""
    shares = order.platform_discounts, order.platform_charges, order.commission, order.fees
    if order.payout is None and not any(shares):
        return ()
    rows = (
        Sum(_("Discounts that the platform bears"), order.platform_discounts),
        Sum(_("Charges that the platform keeps"), -order.platform_charges),
        Sum(_("Commission"), -order.commission),
        Sum(_("Fees"), -order.fees),
    )
    expected = Sum(_("Expected payout"), order.expected_payout, is_result=True)
    return [Sum(_("Total"), order.counted), *(row for row in rows if row.amount), expected]


def payout_text(order: Order) -> str:
    """What the platform states that it pays out, and how that compares; empty if it states
    nothing."""
    if order.payout is None:
        return ""
    stated = amount_in(order.payout, order.currency)
    text = (
        _("The platform pays out %(stated)s")
        if order.payout_is_final
        else _("The platform estimates a payout of %(stated)s")
    )
    message = text % {"stated": stated}
    return f"{message}: {compared(order.payout - order.expected_payout, order.currency)}."


def difference_text(order: Order) -> str:
    """That the order does not add up, in words; empty if it does."""
    if order.adds_up:
        return ""
    text = _("The till states %(stated)s, its parts add up to %(parts)s") % {
        "stated": amount_in(order.total, order.currency),
        "parts": amount_in(order.total - order.difference, order.currency),
    }
    return f"{text}: {compared(order.difference, order.currency)}."


def compared(difference: Decimal, currency: str) -> str:
    """How an amount differs from what was expected."""
    if not difference:
        return _("as expected")
    text = _("%(amount)s more") if difference > 0 else _("%(amount)s less")
    return text % {"amount": amount_in(abs(difference), currency)}


@dataclass(frozen=True)
class Moment:
    """One point of an order's life."""

    at: dt.datetime
    status: str
    label: str
    by: str = ""
    reason: str = ""


def progress(order: Order) -> Sequence[Moment]:
    """The order's life as far as it is known: when it was placed, and each status."""
    labels = dict(OrderStatus.choices)
    found = [
        Moment(
            dt.datetime.fromisoformat(step["at"]),
            step["status"],
            str(labels.get(step["status"], step["status"])),
            step["by"],
            step["reason"],
        )
        for step in order.progress
    ]
    if order.placed_at:
        found.append(Moment(order.placed_at, "placed", _("placed")))
    return sorted(found, key=lambda moment: (moment.at, moment.status != "placed"))


def delivery_steps(order: Order) -> Sequence[Moment]:
    """The order's way to the guest: each status of the delivery, and its courier."""
    labels = dict(DeliveryStatus.choices)
    return [
        Moment(
            dt.datetime.fromisoformat(step["at"]),
            step["status"],
            str(labels[step["status"]]),
            by=shown(step["courier"], key="courier"),
        )
        for step in (order.delivered.steps if order.delivered else ())
    ]


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
    "deposit": gettext_lazy("Deposit kept"),
}


@dataclass(frozen=True)
class ReceiptLine:
    """A line and how deep it is below the line that it belongs to."""

    line: OrderLine
    depth: int

    @property
    def counts(self) -> bool:
        return self.line.state != "void"

    @property
    def amount(self) -> Decimal:
        """With its sign: what was taken back is taken off."""
        return -self.line.amount if self.line.state == "returned" else self.line.amount


def grouped(lines: Sequence[OrderLine]) -> Sequence[ReceiptLine]:
    """The lines in their order, each followed by those that belong to it."""
    places = {line.position for line in lines}
    below: defaultdict[int | None, list[OrderLine]] = defaultdict(list)
    for line in lines:
        below[line.parent if line.parent in places else None].append(line)
    found = list(_tree(below))
    # Lines that belong to each other in a circle are under no other line.
    visible = {each.line.position for each in found}
    return [*found, *(ReceiptLine(line, 0) for line in lines if line.position not in visible)]


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
        stored = entry["kind"] == "charge"
        text = _("the platform keeps %(amount)s") if stored else _("the platform bears %(amount)s")
        yield text % {"amount": amount_in(share, order.currency)}


MOST_PAYMENTS = 200
"""How many payments and refunds are shown: a number that was given again and again has many."""


MOST_EXPLAINED = 10


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
    lines = grouped(list(order.lines.order_by("position")))
    return Receipt(
        order,
        lines,
        _of_kind(payments, PaymentKind.PAYMENT),
        _of_kind(payments, PaymentKind.REFUND),
        sum((line.amount for line in lines), Decimal(0)),
    )


def _of_kind(payments: Sequence[Payment] | None, kind: str) -> Sequence[Payment] | None:
    return None if payments is None else [each for each in payments if each.kind == kind]


def order_page(order: Order, user: Any) -> dict[str, Any]:
    """The context of the template: payments and events only for who may see these."""
    payments = newest_payments(order)
    if order.unsettled:  # a payment of an id that another order has may be why
        for each in payments[:MOST_EXPLAINED]:
            each.namesakes = Payment.objects.namesakes_of(each)
    sees_payments = user.has_perm("neural_restaurant.view_payment")
    events = events_of(order, payments) if user.has_perm("neural.view_neuralevent") else None
    runs = runs_by_event((each.event for each in events or ()), user)
    return {
        "receipt": receipt_of(order, payments if sees_payments else None),
        "bill": bill_rows(order),
        "difference": difference_text(order),
        "owed": owed(order),
        "sold": sold(order),
        "payout": payout(order),
        "payout_text": payout_text(order),
        "progress": progress(order),
        "delivery": order.delivered,
        "delivery_steps": delivery_steps(order),
        "events": events and [(each, runs.get(each.event.pk, ())) for each in events],
        "most_near": MOST_NEAR,
    }
