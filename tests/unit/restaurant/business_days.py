"""A business day of a store, reported to the handlers: the worked examples of tills."""

import datetime as dt
from typing import Any

from neural.models import Store
from tests.unit.restaurant.history import Reporter, at, line

DAY = dt.date(2026, 3, 2)
STATED: dict[str, Any] = {
    "currency": "CNY",
    "orders": 5,
    "guests": 7,
    "first_ticket": "A-1",
    "last_ticket": "A-8",
    "sums": {
        "gross": "463.00",
        "discounts": "58.00",
        "charges": "20.90",
        "tax": "4.00",
        "rounding": "-0.90",
        "total": "429.00",
        "tips": "5.00",
        "refunds": "116.00",
    },
    "tenders": {"cash": "201.00", "card": "173.00", "platform": "19.00"},
}
"""What a till that makes no mistake states of :func:`report_day`, but that it has the tickets A-3
and A-8 too."""


def a_store(code: str = "S1") -> Store:
    """A store on UTC+8 whose business day ends at four in the morning."""
    return Store.objects.create(code=code, time_zone="Asia/Shanghai", day_ends_at=dt.time(4))


def pay(
    till: Reporter, order_id: str, payment_id: str, amount: str, when: dt.datetime, **more: Any
) -> None:
    till.report(
        "payment.stated",
        when,
        till="T1",
        order_id=order_id,
        payment_id=payment_id,
        amount=amount,
        currency="CNY",
        **more,
    )


def order(
    till: Reporter, order_id: str, when: dt.datetime, /, *lines: dict[str, Any], **more: Any
) -> None:
    more = {"till": "T1", "currency": "CNY", "status": "closed", "placed_at": when} | more
    more["placed_at"] = more["placed_at"].isoformat()
    till.report("order.stated", when, order_id=order_id, lines=lines, **more)


def report_day(till: Reporter) -> None:
    """One business day with dine-in, a platform's order, a partial refund, a split bill, and a
    voided order that another one replaces."""
    dine_in(till)
    delivered(till)
    partly_returned(till)
    split(till)
    reopened(till)


def dine_in(till: Reporter) -> None:
    order(
        till,
        "1",
        at(0),
        line("fish", 2, "38"),
        line("rice", 3, "3"),
        line("duck", 1, "88"),
        line("chili", 1, "6", role="modifier"),
        line("tea", 1, "18"),
        line("plums", 1, "12", state="gift"),
        bill=[
            {"kind": "discount", "amount": "18", "name": "tea is free"},
            {"kind": "discount", "amount": "20", "code": "coupon"},
            {"kind": "charge", "amount": "15.90", "code": "service"},
            {"kind": "rounding", "amount": "-0.90"},
        ],
        total="174.00",
        channel="dine_in",
        ticket="A-1",
        guests=4,
    )
    pay(till, "1", "1", "174", at(60), tender="cash", given="200")


def delivered(till: Reporter) -> None:
    order(
        till,
        "2",
        at(5),
        line("noodles", 1, "24"),
        bill=[
            {"kind": "charge", "amount": "2", "code": "packing"},
            {"kind": "charge", "amount": "3", "code": "delivery", "platform": "3"},
            {"kind": "discount", "amount": "10", "code": "promotion", "platform": "2"},
        ],
        total="19.00",
        channel="delivery",
        platform="eleme",
        ticket="A-2",
    )
    pay(till, "2", "2", "19", at(6), tender="platform")


def partly_returned(till: Reporter) -> None:
    order(
        till,
        "3",
        at(70),
        line("soup", 1, "60"),
        line("beef", 1, "40", line_id="b"),
        bill=[{"kind": "discount", "amount": "10", "code": "coupon"}],
        channel="takeaway",
        ticket="A-4",
    )
    pay(till, "3", "3", "90", at(71), tender="card")
    till.report(
        "refund.stated",
        at(90),
        till="T1",
        order_id="3",
        refund_id="3",
        payment_id="3",
        amount="36",
        lines=[{"line_id": "b", "amount": "36"}],
    )


def split(till: Reporter) -> None:
    order(
        till,
        "4",
        at(100),
        line("curry", 1, "24"),
        line("rice", 2, "9"),
        line("beer", 1, "8"),
        bill=[{"kind": "tax", "amount": "4", "rate": "8"}],
        channel="dine_in",
        ticket="A-5",
        guests=3,
    )
    pay(till, "4", "4a", "27", at(101), tender="card", tip="5")
    pay(till, "4", "4b", "27", at(102), tender="cash", given="40")


def reopened(till: Reporter) -> None:
    order(till, "T1", at(110), line("hotpot", 1, "80"), ticket="A-6", channel="dine_in")
    pay(till, "T1", "5", "80", at(111), tender="cash")
    till.report("order.status_changed", at(115), till="T1", order_id="T1", status="voided")
    till.report(
        "refund.stated",
        at(116),
        till="T1",
        order_id="T1",
        refund_id="5",
        payment_id="5",
        amount="80",
        kind="reversal",
    )
    order(
        till,
        "T2",
        at(118),
        line("hotpot", 1, "92"),
        ticket="A-7",
        channel="dine_in",
        replaces="T1",
    )
    pay(till, "T2", "6", "92", at(119), tender="card")


def close_day(till: Reporter, /, **more: Any) -> None:
    """The till states its totals, at the end of the day."""
    stated: dict[str, Any] = {"till": "T1", "business_day": str(DAY)} | STATED | more
    till.report("day.closed", at(600), **stated)
