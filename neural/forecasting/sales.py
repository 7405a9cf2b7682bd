"""A store's sales as arrays, from what the demand source says of them. Two questions to it.

A day on which the store sold something is open: a dish without a row is zero that day, unless it
had never been sold before. A day without sales is closed, and nothing is known of it; nor is of
one that is beyond belief. What reports say of a day beside sales is somebody's JSON: what cannot
be read is ignored.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from neural.forecasting.core.doubtful import DoubtfulDay, doubtful_days, without
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import HORIZONS, BoolArray, FloatArray, Sales
from neural.forecasting.sources import SoldRow, demand_source
from neural.models import Store

RECENT_DAYS = 28
"""A dish counts if it was sold on one of the last so many open days."""
SOLD_OUT_HOURS = 12.0
"""A dish that was sold out for so long says nothing of demand that day."""
CLOSED_WEEKS, LEAST_CLOSED_WEEKS = 8, 4
"""A weekday on which the store was closed in each of the last eight weeks (a new store: in all of
at least four) is one on which it does not open."""

Facts: TypeAlias = Mapping[str, Any]
"""What was said of a day."""

_SPOKEN = ("holiday", "school_holiday", "promotions", "discount", "stockout_hours", "closed")


def sales_of(store: Store, *, today: dt.date, history_days: int, most_dishes: int = 50) -> Sales:
    """What the store knows on the morning of ``today``: the day before is the last one known.

    Raises :class:`NotEnoughHistory` if it sold nothing within ``history_days``.
    """
    first = today - dt.timedelta(days=history_days)
    source = demand_source()
    rows = [row for row in source.sales(store, first=first, until=today) if row[3] > 0]
    if not rows:
        raise NotEnoughHistory(f"store {store.pk} sold nothing in {history_days} days")
    first = min(row[0] for row in rows)
    table = _table(rows, first, (today - first).days, most_dishes)
    facts = _facts(source.reports(store, first=first, until=today + dt.timedelta(days=HORIZONS)))
    return _sales(store, first, table, facts)


def nothing_sold(store: Store, *, today: dt.date) -> Sales:
    """A store of which nothing is known yet, on the morning of ``today``."""
    ahead = 1 + HORIZONS
    return Sales(
        first_day=today - dt.timedelta(days=1),
        dishes=(),
        quantities=np.zeros((1, 0)),
        promotion=np.zeros((ahead, 0)),
        closed=np.zeros(ahead, dtype=np.bool_),
        holiday=np.zeros(ahead),
        school_holiday=np.zeros(ahead),
        country=store.country,
    )


class _Table(NamedTuple):
    """What was sold, by day and dish (those that count)."""

    quantities: FloatArray
    open_days: BoolArray
    dishes: tuple[str, ...]
    names: tuple[str, ...]
    doubtful: tuple[DoubtfulDay, ...]


def _table(rows: list[SoldRow], first: dt.date, days: int, most_dishes: int) -> _Table:
    names = {dish: name for _, dish, name, _ in rows}  # the newest
    codes = {dish: place for place, dish in enumerate(sorted(names))}
    start = first.toordinal()
    at = np.array([row[0].toordinal() - start for row in rows])
    which = np.array([codes[row[1]] for row in rows])
    sold = np.zeros((days, len(codes)))
    sold[at, which] = [row[3] for row in rows]
    open_days = sold.sum(axis=1) > 0
    chosen = _chosen(sold, open_days, most_dishes)
    dishes = tuple(dish for dish, place in codes.items() if chosen[place])
    known = _known(sold[:, chosen], open_days)
    doubtful = doubtful_days(known)
    believed = without(known, doubtful)
    told = tuple(names[dish] for dish in dishes)
    return _Table(believed, open_days, dishes, told, tuple(doubtful))


def _chosen(sold: FloatArray, open_days: BoolArray, most: int) -> BoolArray:
    """Dishes that were sold lately; the ``most`` of which most was."""
    lately = sold[np.flatnonzero(open_days)[-RECENT_DAYS:]].sum(axis=0)
    order = np.argsort(-lately, kind="stable")[:most]
    chosen = np.zeros(sold.shape[1], dtype=np.bool_)
    chosen[order] = lately[order] > 0
    return chosen


def _known(sold: FloatArray, open_days: BoolArray) -> FloatArray:
    """NaN on closed days and before a dish was first sold."""
    begun = np.cumsum(sold, axis=0) > 0
    return np.where(open_days[:, None] & begun, sold, np.nan)


# What reports say


def _facts(reports: Iterable[tuple[dt.date, Any]]) -> Mapping[dt.date, Facts]:
    """What the newest report that speaks of a day says of it."""
    found: dict[dt.date, Facts] = {}
    for day, context in reports:
        if isinstance(context, dict):
            found |= dict(_spoken(day, context))
    return found


def _spoken(day: dt.date, context: Facts) -> Iterable[tuple[dt.date, Facts]]:
    ahead = context.get("ahead")
    for each in ahead if isinstance(ahead, list) else ():
        if isinstance(each, dict) and (of := _day(each.get("day"))) is not None and of > day:
            yield of, each
    if any(name in context for name in _SPOKEN):
        yield day, context


def _day(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def _sales(store: Store, first: dt.date, table: _Table, facts: Mapping[dt.date, Facts]) -> Sales:
    quantities = table.quantities
    days = len(quantities)
    ahead = days + HORIZONS
    place = {dish: number for number, dish in enumerate(table.dishes)}
    flags: dict[str, FloatArray] = defaultdict(lambda: np.zeros(ahead))
    promotion = np.zeros((ahead, len(place)))
    for day, said in facts.items():
        row = (day - first).days
        if not 0 <= row < ahead:
            continue
        for name in ("holiday", "school_holiday", "closed"):
            flags[name][row] = _flag(said.get(name))
        _promote(promotion[row], said, place)
        if row < days:
            _sold_out(quantities[row], said.get("stockout_hours"), place)
    closed = flags["closed"] > 0
    # Of a day that is known, sales say whether the store was open; of one to come, a report, or
    # else its usual week: what was learned of the day before a closed one is then used again.
    closed[:days] = ~table.open_days
    usual = _closed_weekdays(table.open_days)
    for row in range(days, ahead):
        # A flag is an integer to Python.
        if not isinstance(facts.get(first + dt.timedelta(days=row), {}).get("closed"), int):
            closed[row] = usual[row % 7]
    return Sales(
        first_day=first,
        dishes=table.dishes,
        quantities=quantities,
        promotion=promotion,
        closed=closed,
        holiday=flags["holiday"],
        school_holiday=flags["school_holiday"],
        country=store.country,
        names=table.names,
        doubtful=table.doubtful,
    )


def _closed_weekdays(open_days: BoolArray) -> BoolArray:
    """(7,): whether the store never opens on the weekday of the rows 0, 7, … to 6, 13, …"""
    found = np.zeros(7, dtype=np.bool_)
    for weekday in range(7):
        last = open_days[weekday::7][-CLOSED_WEEKS:]
        found[weekday] = len(last) >= LEAST_CLOSED_WEEKS and not last.any()
    # A store that has not opened at all lately has no usual week.
    return found & ~found.all()


def _flag(value: Any) -> float:
    return float(value is True or value == 1)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if np.isfinite(number) else None


def _promote(row: FloatArray, said: Facts, place: Mapping[str, int]) -> None:
    promotions, discount = said.get("promotions"), said.get("discount")
    for dish in promotions if isinstance(promotions, list) else ():
        if isinstance(dish, str) and dish in place:
            row[place[dish]] = 1.0
    for dish, share in discount.items() if isinstance(discount, dict) else ():
        number = _number(share)
        if dish in place and number is not None:
            row[place[dish]] = min(max(number, 0.0), 1.0)


def _sold_out(row: FloatArray, hours: Any, place: Mapping[str, int]) -> None:
    for dish, value in hours.items() if isinstance(hours, dict) else ():
        number = _number(value)
        if dish in place and number is not None and number >= SOLD_OUT_HOURS:
            row[place[dish]] = np.nan
