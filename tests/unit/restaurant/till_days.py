"""Made-up days of two tills: events old and new about a few orders."""

import datetime as dt

from hypothesis import strategies as st

MONDAY, TUESDAY = dt.date(2026, 3, 2), dt.date(2026, 3, 3)

# Few values of each, so that events meet: same orders, same days, same moments, same ids.
# Noon, an hour later, after midnight, after the end of the business day, the next evening.
MOMENTS = st.sampled_from([0, 60, 12 * 60 + 40, 17 * 60, 31 * 60]).map(
    lambda minutes: dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC) + dt.timedelta(minutes=minutes)
)
NUMBERS = st.sampled_from(("17", "18"))
DISHES = st.sampled_from(("soup", "rice", "茶"))
SMALL = st.decimals(0, 20, places=2).map(str)
TINY = st.decimals(0, 3, places=2).map(str)
QUANTITIES = st.sampled_from(("1", "2", "0.355", "0"))
CURRENCIES = st.sampled_from(("CNY", "CNY", "CNY", "JPY", ""))
DAYS = st.sampled_from((str(MONDAY), str(TUESDAY)))
STATUSES = st.sampled_from(("open", "ready", "closed", "rejected", "cancelled", "voided", "merged"))
PAID_STATUSES = st.sampled_from(("completed", "completed", "completed", "pending", "failed"))

WHERE = st.sampled_from(
    (
        {},
        {"till": "T1"},
        {"till": "T1", "day": str(MONDAY)},
        {"till": "T2", "day": str(MONDAY)},
        {"till": "T2", "day": str(TUESDAY)},
        {"day": str(TUESDAY)},
    )
)
OLD_LINE = st.fixed_dictionaries({"dish": DISHES, "quantity": QUANTITIES, "price": SMALL})
LINE = st.fixed_dictionaries(
    {"dish": DISHES, "quantity": QUANTITIES, "price": SMALL},
    optional={
        "discount": TINY,
        "amount": TINY,
        "state": st.sampled_from(("sold", "gift", "void", "returned")),
        "role": st.sampled_from(("item", "modifier", "component", "deferred")),
        "line_id": st.sampled_from("ab"),
        "parent": st.sampled_from("ab"),
    },
)
ENTRY = st.fixed_dictionaries(
    {"kind": st.sampled_from(("discount", "charge", "tax", "rounding")), "amount": TINY},
    optional={"included": st.booleans(), "platform": TINY},
)
OLD_ORDER = st.fixed_dictionaries(
    {"order_id": NUMBERS, "lines": st.lists(OLD_LINE, max_size=2), "currency": CURRENCIES},
    optional={"placed_at": MOMENTS.map(str)},
)
ORDER = st.fixed_dictionaries(
    {
        "order_id": NUMBERS,
        "lines": st.lists(LINE, max_size=3),
        "bill": st.lists(ENTRY, max_size=2),
        "currency": CURRENCIES,
    },
    optional={
        "total": SMALL,
        "status": STATUSES,
        "ticket": st.just("A-17"),
        "platform": st.just("eleme"),
        "placed_at": MOMENTS.map(str),
        "promised_at": MOMENTS.map(str),
        "closed_at": MOMENTS.map(str),
        "business_day": DAYS,
        "split_from": NUMBERS,
        "replaces": NUMBERS,
    },
)
IDS = st.sampled_from(("P1", "P2", "P3"))
MONEY = {"payment_id": IDS, "order_id": NUMBERS, "amount": SMALL, "currency": CURRENCIES}
STATED_MONEY = {"tip": TINY, "status": PAID_STATUSES, "business_day": DAYS}
REFUND_KINDS = st.sampled_from(("return", "reversal"))

OLD = {
    "order.created": OLD_ORDER,
    "order.updated": OLD_ORDER,
    "order.cancelled": st.fixed_dictionaries({"order_id": NUMBERS, "reason": DISHES}),
    "payment.completed": st.fixed_dictionaries(MONEY),
    "payment.refunded": st.fixed_dictionaries({**MONEY, "refund_id": IDS}),
}
NEW = {
    "order.stated": ORDER,
    "order.status_changed": st.fixed_dictionaries(
        {"order_id": NUMBERS, "status": STATUSES}, optional={"reason": DISHES, "by": DISHES}
    ),
    "order.merged": st.fixed_dictionaries(
        {"into": NUMBERS, "orders": st.lists(NUMBERS, min_size=1, max_size=2)}
    ),
    "payment.stated": st.fixed_dictionaries(MONEY, optional=STATED_MONEY),
    "refund.stated": st.fixed_dictionaries(
        {**MONEY, "refund_id": IDS},
        optional={**STATED_MONEY, "kind": REFUND_KINDS, "whole": st.booleans()},
    ),
    "settlement.stated": st.fixed_dictionaries(
        {"order_id": NUMBERS, "payout": SMALL}, optional={"commission": TINY, "fees": TINY}
    ),
}
OLD_EVENT = st.sampled_from(sorted(OLD)).flatmap(
    lambda kind: st.tuples(st.just(kind), MOMENTS, OLD[kind])
)
NEW_EVENT = st.sampled_from(sorted(NEW)).flatmap(
    lambda kind: st.tuples(
        st.just(kind), MOMENTS, st.builds(lambda where, rest: where | rest, WHERE, NEW[kind])
    )
)
WHOLE_DAYS = st.lists(OLD_EVENT | NEW_EVENT | NEW_EVENT, min_size=1, max_size=14)
SINCE = st.sampled_from((None, MONDAY, TUESDAY))
