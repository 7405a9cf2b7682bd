"""A day's demand, computed from the store's report of the day and from its orders."""

import datetime as dt
import hashlib
from collections.abc import Iterable
from decimal import Decimal

from django.db import connections, router
from django.db.models import Max, Q, Sum

from neural.models import DailyDemand, OrderLine, OrderState, SalesReport
from neural.runs.recompute import Recomputation

Day = tuple[str, dt.date]
"""A store's code and its business day."""
Rows = dict[tuple[str, dt.date, str], DailyDemand]
"""By store, day and dish."""

COMPUTED = ("name", "reported_quantity", "ordered_quantity", "reported_revenue", "ordered_revenue")


def recompute_demand(days: list[Day]) -> None:
    """Make the demand of these days what their reports and orders say, row by row.

    First the locks, then everything is read: what another transaction committed while
    this one waited is seen by the later statements. Rows that are right already are left.
    """
    _lock(days)
    kept = {_key(row): row for row in DailyDemand.objects.filter(_in_days(days))}
    right: Rows = {}
    _add_orders(right, days)
    _add_reports(right, days)
    _delete([row for key, row in kept.items() if key not in right])
    _write(row for key, row in right.items() if not _same(row, kept.get(key)))


def _lock(days: list[Day]) -> None:
    """One transaction at a time computes a day, even one that has no row yet.

    Keys are locked in their own order, so that two transactions never wait for each other.
    SQLite has one writer at a time and needs no lock.
    """
    connection = connections[router.db_for_write(DailyDemand)]
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key",
            [sorted({_lock_key(day) for day in days})],
        )


def _lock_key(day: Day) -> int:
    text = f"neural.demand/{day[0]}/{day[1]}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), signed=True)


def _add_orders(rows: Rows, days: list[Day]) -> None:
    lines = OrderLine.objects.filter(_in_days(days, "order__"), order__state=OrderState.PLACED)
    sums = lines.order_by().values_list("order__store", "order__business_day", "dish")
    for *key, quantity, amount, name in sums.annotate(Sum("quantity"), Sum("amount"), Max("name")):
        row = _row(rows, *key)
        row.ordered_quantity, row.ordered_revenue, row.name = quantity, amount, name


def _add_reports(rows: Rows, days: list[Day]) -> None:
    for report in SalesReport.objects.filter(_in_days(days)):
        for line in report.lines:
            row = _row(rows, report.store_id, report.day, line["dish"])
            row.reported_quantity = _plus(row.reported_quantity, line["quantity"])
            row.reported_revenue = _plus(row.reported_revenue, line["revenue"])
            row.name = line["name"] or row.name


def _row(rows: Rows, store: str, day: dt.date, dish: str) -> DailyDemand:
    return rows.setdefault((store, day, dish), DailyDemand(store_id=store, day=day, dish=dish))


def _plus(total: Decimal | None, amount: str | None) -> Decimal | None:
    """A report may name a dish on several lines; revenue is optional on each."""
    return total if amount is None else Decimal(amount) + (total or 0)


def _key(row: DailyDemand) -> tuple[str, dt.date, str]:
    return (row.store_id, row.day, row.dish)


def _same(row: DailyDemand, kept: DailyDemand | None) -> bool:
    return kept is not None and all(getattr(row, each) == getattr(kept, each) for each in COMPUTED)


def _delete(rows: list[DailyDemand]) -> None:
    if rows:
        DailyDemand.objects.filter(pk__in=[row.pk for row in rows]).delete()


def _write(rows: Iterable[DailyDemand]) -> None:
    DailyDemand.objects.bulk_create(
        sorted(rows, key=_key),
        update_conflicts=True,
        unique_fields=("store", "day", "dish"),
        update_fields=COMPUTED,
    )


def _in_days(days: list[Day], prefix: str = "") -> Q:
    """One condition a store: its days as a list."""
    of_stores: dict[str, list[dt.date]] = {}
    for store, day in days:
        of_stores.setdefault(store, []).append(day)
    store_field = f"{prefix}store"
    day_field = f"{prefix}business_day__in" if prefix else "day__in"
    return Q(
        *(Q((store_field, store), (day_field, its)) for store, its in of_stores.items()),
        _connector=Q.OR,
    )


DEMAND = Recomputation(rank=2, compute=recompute_demand)
