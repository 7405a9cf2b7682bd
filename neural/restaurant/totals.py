"""Daily demand and the money of orders, always recomputed from their source rows and never counted
up.

A day's demand is computed from the store's sales report and its orders. An order's money is
computed from its payments and refunds.
"""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Sum

from neural.ledger import dialects
from neural.ledger.recompute import Recomputation
from neural.restaurant.models import Order, Payment, PaymentKind

Day = tuple[str, dt.date]
"""A store's code and a business day."""

COMPUTED = ("name", "reported_quantity", "ordered_quantity", "reported_revenue", "ordered_revenue")


def recompute_demand(days: list[Day]) -> None:
    """Make the daily demand of these days agree with their sales reports and orders.

    The locks are taken before anything is read, so later statements see what another transaction
    committed while this one waited. Rows that are correct already are not written.
    """
    if not days:
        return
    dialect = dialects.ledger_dialect()
    chosen, parameters = dialect.table(_DAY, days)
    demand = _with(chosen, dialect.join_elements("report.lines", "line"))
    with dialects.preparing_cursor() as cursor:
        # One transaction at a time computes a day, also one without rows.
        dialect.lock(cursor, (f"neural.demand/{store}/{day}" for store, day in days))
        if dialect.changes_rows_in_with:
            cursor.execute(demand + _GONE_IN_ONE + _UPSERT, parameters)
        else:
            cursor.execute(demand + _DELETE, parameters)
            cursor.execute(demand + _UPSERT, parameters)


_DAY = {"store_id": "text", "day": "date"}


def _with(days: str, lines: str) -> str:
    """Common table expressions: the lines of reports and orders, and their sums by dish. A report
    may name a dish on several lines, and each line may have a revenue or not."""
    return f"""
    WITH days (store_id, day) AS (SELECT * FROM {days}),
    stated AS (
        SELECT report.store_id, report.day, line.value->>'dish' AS dish,
               line.value->>'name' AS reported_name, '' AS ordered_name,
               CAST(line.value->>'quantity' AS numeric) AS reported_quantity,
               CAST(line.value->>'revenue' AS numeric) AS reported_revenue,
               NULL AS ordered_quantity, NULL AS ordered_revenue
        FROM days JOIN neural_salesreport AS report USING (store_id, day) {lines}
        UNION ALL
        SELECT days.store_id, days.day, line.dish, '', line.name, NULL, NULL,
               line.quantity, line.amount
        FROM days JOIN neural_order AS placed
             ON placed.store_id = days.store_id AND placed.business_day = days.day
        JOIN neural_orderline AS line ON line.order_id = placed.id
        WHERE placed.state = 'placed'
    ), demand AS (
        SELECT store_id, day, dish,
               COALESCE(NULLIF(MAX(reported_name), ''), MAX(ordered_name)) AS name,
               ROUND(SUM(reported_quantity), 3) AS reported_quantity,
               ROUND(SUM(ordered_quantity), 3) AS ordered_quantity,
               ROUND(SUM(reported_revenue), 3) AS reported_revenue,
               ROUND(SUM(ordered_revenue), 3) AS ordered_revenue
        FROM stated GROUP BY store_id, day, dish
    )
    """


_DELETE = """
    DELETE FROM neural_dailydemand AS kept
    WHERE (kept.store_id, kept.day) IN (SELECT store_id, day FROM days)
      AND (kept.store_id, kept.day, kept.dish) NOT IN (SELECT store_id, day, dish FROM demand)
"""
_GONE_IN_ONE = f", gone AS ({_DELETE})"


def _upsert() -> str:
    columns = ", ".join(("store_id", "day", "dish", *COMPUTED))
    sets = ", ".join(f"{name} = excluded.{name}" for name in COMPUTED)
    kept = ", ".join(f"kept.{name}" for name in COMPUTED)
    new = ", ".join(f"excluded.{name}" for name in COMPUTED)
    return f"""
    INSERT INTO neural_dailydemand AS kept ({columns}) SELECT {columns} FROM demand WHERE true
    ON CONFLICT (store_id, day, dish) DO UPDATE SET {sets} WHERE ({kept}) IS DISTINCT FROM ({new})
    """


_UPSERT: Any = _upsert()

DEMAND = Recomputation(rank=2, compute=recompute_demand)


# An order's money

Sums = dict[tuple[str, str], Decimal]
"""Amounts by kind and currency."""


def recompute_money(orders: list[int]) -> None:
    """Compute the money of these orders (primary keys) from their payments.

    The lock is taken before the sums are read, so a payment that another transaction committed
    while this one waited is included.
    """
    locked = list(Order.objects.filter(pk__in=orders).order_by("pk").select_for_update(no_key=True))
    sums = _sums(orders)
    for order in locked:
        order.set_money(
            paid=_total(sums[order.pk], PaymentKind.PAYMENT, order.currency),
            refunded=_total(sums[order.pk], PaymentKind.REFUND, order.currency),
        )


def _sums(orders: list[int]) -> defaultdict[int, Sums]:
    sums: defaultdict[int, Sums] = defaultdict(dict)
    rows = Payment.objects.filter(order__in=orders).values_list("order", "kind", "currency")
    for order, kind, currency, amount in rows.annotate(Sum("amount")):
        sums[order][kind, currency] = amount
    return sums


def _total(sums: Sums, kind: PaymentKind, currency: str) -> Decimal:
    """The sum of the payments in the order's currency. Others are kept but cannot be added up."""
    return sum(
        (
            amount
            for (its_kind, its_currency), amount in sums.items()
            if its_kind == kind and (not currency or its_currency in ("", currency))
        ),
        Decimal(0),
    )


MONEY = Recomputation(rank=1, compute=recompute_money)
