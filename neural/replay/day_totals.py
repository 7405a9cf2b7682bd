"""The totals of a business day, as a till makes them from its bills and its drawer. Pure."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from neural.replay.bills import ZERO, Bill

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
    less refunds, without tips. ``owed`` and ``payout`` (by platforms) are those of its bills."""

    orders: int
    guests: int
    sums: dict[str, Decimal]
    tenders: dict[str, Decimal]
    owed: Decimal
    payout: Decimal


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
        sums=_sums(counted, movements),
        tenders=dict(tenders),
        owed=_sum(bill.owed for bill in bills),
        payout=_sum(bill.payout for bill in counted),
    )


def _sums(counted: Sequence[Bill], movements: Sequence[Movement]) -> dict[str, Decimal]:
    return {
        "gross": _sum(bill.gross for bill in counted),
        "discounts": _sum(bill.discounts for bill in counted),
        "charges": _sum(bill.of_kind("charge") for bill in counted),
        "tax": _sum(bill.of_kind("tax") for bill in counted),
        "rounding": _sum(bill.of_kind("rounding") for bill in counted),
        "total": _sum(bill.total for bill in counted),
        "tips": _sum(SIGN[each.kind] * each.tip for each in movements),
        "refunds": _sum(each.amount for each in movements if each.kind == "refund"),
    }


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, ZERO)
