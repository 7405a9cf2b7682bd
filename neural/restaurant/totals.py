"""Daily demand and the money of orders, always recomputed from their source rows and never counted
up.

A day's demand is computed from the store's sales report and its orders. An order's money is
computed from its payments and refunds.
"""

import datetime as dt
from collections import defaultdict
from decimal import Decimal
from operator import attrgetter
from typing import Any

from django.db.models import Min, Q, Sum

from neural.events.changes import record_changed
from neural.ledger import dialects
from neural.ledger.work import Recomputation, works_on_history
from neural.restaurant.bill import ZERO
from neural.restaurant.keys import day_of, number_of, order_key
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
    counts (it was cooked) and a part of a combo counts beside the combo; what is void, taken back
    or no sale does not. A modifier adds its revenue, but no portion, to the dish that it changes;
    one of no known line stays under its own name."""
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
        WHERE placed.state = 'placed' AND line.state IN ('sold', 'gift') AND line.role <> 'deferred'
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
    locked = _locked(Q(pk__in=orders))
    locked += _merged_with(locked)
    locked += _with_open_tickets(locked)
    sums, first_days = _sums(locked)
    changed = [
        order
        for order in locked
        if order.set_money(first_day=first_days.get(order.pk), **_money(order, sums[order.pk]))
    ]
    update(changed, MONEY_COLUMNS)
    searched = [order for order in changed if order.state != OrderState.EXPECTED]
    keys = {f"{order.store_id}/{order.key}" for order in searched}
    record_changed("orders", keys, history=works_on_history())


def _locked(condition: Q) -> list[Order]:
    rows = Order.objects.filter(condition).only(*MONEY_DEPENDS_ON, *MONEY_COLUMNS)
    return list(rows.order_by("pk").select_for_update(no_key=True))


def _merged_with(orders: list[Order]) -> list[Order]:
    """The orders that were merged into one of these, and those into which one of these was: a
    payment moves between them. Two transactions that begin at the two ends may deadlock; one is
    then retried."""
    if not orders:
        return []
    others = Q(merged_into__in=[order.key for order in orders]) & ~Q(merged_into="")
    if merged := [order.survivor for order in orders if order.survivor]:
        others |= Q(key__in=merged)
    stores = {order.store_id for order in orders}
    known = [order.pk for order in orders]
    return _locked(others & Q(store__in=stores) & ~Q(pk__in=known))


LONGEST_OPEN = dt.timedelta(days=7)


def _with_open_tickets(orders: list[Order]) -> list[Order]:
    """Give payments that state no time, of daily tickets of no till, to the order that was open.
    Returns the orders of the same numbers on the days around."""
    days: defaultdict[tuple[str, str], list[dt.date]] = defaultdict(list)
    for order in orders:
        day = day_of(order.key) if order.key.startswith("//") else None
        if day:
            days[order.store_id, number_of(order.key)].append(day)
    if not days:
        return []
    with dialects.preparing_cursor() as cursor:
        # Of a payment and an order at once, the second sees the first.
        names = (f"neural.ticket/{store}/{number}" for store, number in days)
        dialects.ledger_dialect().lock(cursor, names)
    around: defaultdict[str, list[str]] = defaultdict(list)
    for (store, number), its_days in days.items():
        around[store] += _keys_around(its_days, number)
    tickets: list[Order] = []
    for store in sorted(around):
        tickets += _locked(Q(store=store, key__in=around[store]))
    _give_to_open(tickets)
    known = {order.pk for order in orders}
    return [order for order in tickets if order.pk not in known]


def _keys_around(days: list[dt.date], number: str) -> list[str]:
    first, last = min(days) - LONGEST_OPEN, max(days) + LONGEST_OPEN
    around = ((first + dt.timedelta(n)) for n in range((last - first).days + 1))
    return [order_key(order_id=number, day=day) for day in around]


def _give_to_open(tickets: list[Order]) -> None:
    """Give each payment to the order that it names or, if it states no time and that one was not
    placed yet, to the newest one before that is still owed by its own payments."""
    by_key = {(order.store_id, order.key): order for order in tickets}
    of_number: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
    for ticket in tickets:
        of_number[ticket.store_id, number_of(ticket.key)].append(ticket)
    payments = list(Payment.objects.filter(order__in=tickets))
    named = [by_key.get((each.store_id, each.key.rpartition("/")[0])) for each in payments]
    owed = {order.pk: order.counted for order in tickets}
    for each, order in zip(payments, named, strict=True):
        if order and each.status == PaymentStatus.COMPLETED:
            undone = each.kind == PaymentKind.REFUND and each.refund_kind != RefundKind.RETURN
            owed[order.pk] -= -(each.stated_amount or each.amount) if undone else each.amount
    for each, order in zip(payments, named, strict=True):
        meant = order
        if order and each.timeless and not _was_placed(order, each.occurred_at):
            others = of_number[order.store_id, number_of(order.key)]
            owing = (other for other in others if owed[other.pk] > 0)
            before = [other for other in owing if _may_be_meant(other, order, each.occurred_at)]
            meant = max(before, key=attrgetter("key"), default=order)
        if meant and meant.pk != each.order_id:
            Payment.objects.filter(pk=each.pk).update(order=meant)
            each.order_id = meant.pk
    paid = {each.order_id for each in payments}
    Order.objects.remove_unknown(
        o.pk for o in tickets if o.state == OrderState.EXPECTED and o.pk not in paid
    )


def _was_placed(order: Order, moment: dt.datetime) -> bool:
    return bool(order.placed_at and order.placed_at <= moment)


def _may_be_meant(order: Order, named: Order, moment: dt.datetime) -> bool:
    days = day_of(named.key) - day_of(order.key)  # type: ignore[operator]
    return dt.timedelta(0) < days <= LONGEST_OPEN and _was_placed(order, moment)


def _sums(orders: list[Order]) -> tuple[defaultdict[int, Sums], dict[int, dt.date]]:
    """The sums of the payments and refunds that count, and the first day of all, by order."""
    sums: defaultdict[int, Sums] = defaultdict(dict)
    first: dict[int, dt.date] = {}
    for order in orders:
        if order.survivor:
            Payment.objects.mark_moved(order)
    rows = Payment.objects.filter(order__in=orders)
    by = rows.values_list("order", "kind", "refund_kind", "currency", "status", "moved")
    parts = list(by.annotate(Sum("amount"), Sum("tip"), Min("business_day"), Sum("stated_amount")))
    moved_from = {order_id for order_id, *_, moved, _, _, _, _ in parts if moved}
    if stay := [each for each in orders if each.pk in moved_from and not each.survivor]:
        Payment.objects.filter(order__in=stay).update(moved=False)  # the merge was taken back
        return _sums(orders)
    whole = {row[0] for row in parts if row[-1] is not None}
    if any([_cut_whole(order_id) for order_id in sorted(whole)]):  # noqa: C419 (each of them)
        return _sums(orders)
    for order_id, kind, refund_kind, currency, status, moved, amount, tip, day, _ in parts:
        if status == PaymentStatus.COMPLETED and not moved:
            sums[order_id][kind, refund_kind, currency] = (amount, tip)
        if day is not None:
            first[order_id] = min(first.get(order_id, day), day)
    return sums, first


def _cut_whole(order: int) -> bool:
    """Let refunds of this whole order give back what others left of what was paid. Returns whether
    that changed one."""
    rows = list(Payment.objects.filter(order=order).order_by("key"))
    live = [each for each in rows if each.status == PaymentStatus.COMPLETED and not each.moved]
    paid = sum(each.amount for each in live if each.kind == PaymentKind.PAYMENT)
    others = (each for each in live if each.stated_amount is None)
    back = sum(each.amount for each in others if each.kind == PaymentKind.REFUND)
    changed = 0
    for each in rows:
        if (stated := each.stated_amount) is not None:
            amount = min(stated, max(ZERO, max(paid, stated) - back)) if each in live else stated
            changed += amount != each.amount
            Payment.objects.filter(pk=each.pk).update(amount=amount)
            back += amount if each in live else ZERO
    return bool(changed)


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
