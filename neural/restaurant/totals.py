"""Daily demand and the money of orders, always recomputed from their source rows and never counted
up.

A day's demand is computed from the store's sales report and its orders. An order's money is
computed from its payments and refunds.
"""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from typing import Any

from django.db.models import Min, Sum

from neural.ledger import dialects
from neural.ledger.work import Recomputation
from neural.restaurant.models import (
    Order,
    OrderState,
    Payment,
    PaymentKind,
    PaymentStatus,
    RefundKind,
)
from neural.restaurant.models.order import MONEY_COLUMNS, MONEY_DEPENDS_ON
from neural.restaurant.models.rows import update

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
    may name a dish on several lines, and each line may have a revenue or not. Of an order, a gift
    counts (it was cooked) and a part of a combo counts beside the combo; what is void or no sale
    does not. A modifier adds its revenue, but no portion, to the dish that it changes; one of no
    known line stays under its own name."""
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
        SELECT days.store_id, days.day, COALESCE(NULLIF(line.demand_dish, ''), line.dish), '',
               CASE line.role WHEN 'modifier' THEN '' ELSE line.name END, NULL, NULL,
               CASE line.role WHEN 'modifier' THEN 0 ELSE line.quantity END, line.amount
        FROM days JOIN neural_order AS placed
             ON placed.store_id = days.store_id AND placed.business_day = days.day
        JOIN neural_orderline AS line ON line.order_id = placed.id
        WHERE placed.state = 'placed' AND line.state <> 'void' AND line.role <> 'deferred'
          AND (line.role <> 'modifier' OR line.amount > 0)
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

Sums = dict[tuple[str, str, str], tuple[Decimal, Decimal]]
"""Amounts and tips by kind, kind of refund and currency."""


def recompute_money(orders: list[int]) -> None:
    """Compute the money of these orders (primary keys) from their payments.

    The lock is taken before the sums are read, so a payment that another transaction committed
    while this one waited is included.
    """
    rows = Order.objects.filter(pk__in=orders).only(*MONEY_DEPENDS_ON, *MONEY_COLUMNS)
    locked = list(rows.order_by("pk").select_for_update(no_key=True))
    sums, first_days = _sums(orders)
    changed = [
        order
        for order in locked
        if order.set_money(first_day=first_days.get(order.pk), **_money(order, sums[order.pk]))
    ]
    update(changed, MONEY_COLUMNS)


def _sums(orders: list[int]) -> tuple[defaultdict[int, Sums], dict[int, dt.date]]:
    """The sums of completed payments and refunds, and the first day of all, by order."""
    sums: defaultdict[int, Sums] = defaultdict(dict)
    first: dict[int, dt.date] = {}
    rows = Payment.objects.filter(order__in=orders)
    by = rows.values_list("order", "kind", "refund_kind", "currency", "status")
    for order, kind, refund_kind, currency, status, amount, tip, day in by.annotate(
        Sum("amount"), Sum("tip"), Min("business_day")
    ):
        if status == PaymentStatus.COMPLETED:
            sums[order][kind, refund_kind, currency] = (amount, tip)
        if day is not None:
            first[order] = min(first.get(order, day), day)
    return sums, first


def _money(order: Order, sums: Sums) -> dict[str, Decimal]:
    """The money of an order. Payments in another currency than the order's are kept but cannot be
    added up. Where nothing was sold, every refund undoes a payment."""
    paid = refunded = returned = tips = Decimal(0)
    for (kind, refund_kind, currency), (amount, tip) in sums.items():
        if order.currency and currency not in ("", order.currency):
            continue
        if kind == PaymentKind.PAYMENT:
            paid, tips = paid + amount, tips + tip
            continue
        refunded, tips = refunded + amount, tips - tip
        if refund_kind == RefundKind.RETURN and order.state == OrderState.PLACED:
            returned += amount
    return {"paid": paid, "refunded": refunded, "returned": returned, "tips": tips}


MONEY = Recomputation(rank=1, compute=recompute_money)
