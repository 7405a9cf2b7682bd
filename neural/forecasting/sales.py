"""Reads a store's sales from the demand source, in four queries, and makes arrays of them.

A day on which the store sold something is open: a dish without a row sold zero that day, unless it
had never been sold before. A day without sales is closed and its demand unknown; the demand of an
implausible day is unknown, too. Reports may tell other facts about a day, as unchecked JSON; parts
that cannot be read are ignored.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from neural.forecasting.core.doubtful import DoubtfulDay, doubtful_days, without
from neural.forecasting.core.protocol import NotEnoughHistory
from neural.forecasting.core.series import HORIZONS, BoolArray, FloatArray, Sales
from neural.forecasting.sources import SoldRow, demand_source
from neural.models import Store

RECENT_DAYS = 28
"""A dish counts if it was sold on one of this many last open days."""
SOLD_OUT_HOURS = 12.0
SOLD_OUT_SHARE = 0.5
"""The demand for a dish is unknown on a day when it was sold out for at least this many hours, or
for this share of the open hours."""
CLOSED_WEEKS, LEAST_CLOSED_WEEKS = 8, 4
"""The store does not open on a weekday that was closed in each of the last eight weeks (for a new
store: in all of at least four)."""

Facts: TypeAlias = Mapping[str, Any]
"""The facts that reports tell about a day."""

_FROM_EVENTS = ("sold_out", "discounted")
"""Facts that a report of the same day does not replace."""
_FACTS = (
    *_FROM_EVENTS,
    "holiday",
    "school_holiday",
    "promotions",
    "discount",
    "stockout_hours",
    "closed",
    "confirmed",
)


def sales_of(store: Store, *, today: dt.date, history_days: int, most_dishes: int = 50) -> Sales:
    """The store's sales as on the morning of ``today``: the day before is the last known day.

    Only the ``most_dishes`` that sold most lately are included. Raises :class:`NotEnoughHistory` if
    the store sold nothing within ``history_days``.
    """
    first = today - dt.timedelta(days=history_days)
    source = demand_source()
    rows = [row for row in source.sales(store, first=first, until=today) if row[3] > 0]
    if not rows:
        raise NotEnoughHistory(f"store {store.pk} sold nothing in {history_days} days")
    first = min(row[0] for row in rows)
    facts = _facts(source.reports(store, first=first, until=today + dt.timedelta(days=HORIZONS)))
    table = _table(rows, first, (today - first).days, most_dishes, facts)
    return _sales(store, first, table, facts)


def nothing_sold(store: Store, *, today: dt.date) -> Sales:
    """The empty sales of a store without history, as on the morning of ``today``."""
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
    """Sales by day and dish, for the dishes that count."""

    quantities: FloatArray
    open_days: BoolArray
    dishes: tuple[str, ...]
    names: tuple[str, ...]
    doubtful: tuple[DoubtfulDay, ...]
    confirmed: BoolArray


def _table(
    rows: list[SoldRow],
    first: dt.date,
    days: int,
    most_dishes: int,
    facts: Mapping[dt.date, Facts],
) -> _Table:
    names = {dish: name for _, dish, name, _ in rows}  # the newest name of each dish
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
    confirmed = _confirmed(facts, first, dishes, days)
    doubtful = doubtful_days(known, confirmed)
    believed = without(known, doubtful)
    own_names = tuple(names[dish] for dish in dishes)
    return _Table(believed, open_days, dishes, own_names, tuple(doubtful), confirmed)


def _chosen(sold: FloatArray, open_days: BoolArray, most: int) -> BoolArray:
    """(dishes,): True for the ``most`` dishes that sold most lately."""
    lately = sold[np.flatnonzero(open_days)[-RECENT_DAYS:]].sum(axis=0)
    order = np.argsort(-lately, kind="stable")[:most]
    chosen = np.zeros(sold.shape[1], dtype=np.bool_)
    chosen[order] = lately[order] > 0
    return chosen


def _known(sold: FloatArray, open_days: BoolArray) -> FloatArray:
    """The quantities, with NaN on closed days and before a dish was first sold."""
    begun = np.cumsum(sold, axis=0) > 0
    return np.where(open_days[:, None] & begun, sold, np.nan)


def _confirmed(
    facts: Mapping[dt.date, Facts], first: dt.date, dishes: Sequence[str], days: int
) -> BoolArray:
    """(days, dishes): True for the quantities that a person has confirmed."""
    found = np.zeros((days, len(dishes)), dtype=np.bool_)
    for day, of_day in facts.items():
        row, codes = (day - first).days, of_day.get("confirmed")
        if 0 <= row < days and isinstance(codes, list):
            found[row] = [dish in codes for dish in dishes]
    return found


# Facts from reports


def _facts(reports: Iterable[tuple[dt.date, Any]]) -> Mapping[dt.date, Facts]:
    """The facts about each day, from the newest report that mentions the day."""
    found: dict[dt.date, Facts] = {}
    for day, context in reports:
        if isinstance(context, dict):
            for of, of_day in _facts_of_report(day, context):
                known = found.get(of, {})
                lasting = {name: known[name] for name in _FROM_EVENTS if name in known}
                found[of] = {**lasting, **of_day}
    return found


def _facts_of_report(day: dt.date, context: Facts) -> Iterable[tuple[dt.date, Facts]]:
    ahead = context.get("ahead")
    for each in ahead if isinstance(ahead, list) else ():
        if isinstance(each, dict) and (of := _day(each.get("day"))) is not None and of > day:
            yield of, each
    if any(name in context for name in _FACTS):
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
    promotion, discounted = np.zeros((ahead, len(place))), np.zeros_like(quantities)
    for day, of_day in facts.items():
        row = (day - first).days
        if not 0 <= row < ahead:
            continue
        for name in ("holiday", "school_holiday", "closed"):
            flags[name][row] = _flag(of_day.get(name))
        _promote(promotion[row], of_day, place)
        if row < days:
            _sold_out(quantities[row], of_day.get("stockout_hours"), place, SOLD_OUT_HOURS)
            _sold_out(quantities[row], of_day.get("sold_out"), place, SOLD_OUT_SHARE)
            _discount(discounted[row], of_day.get("discounted"), place)
    closed = flags["closed"] > 0
    # Sales show whether the store was open on a known day. For a day to come, a report does, or
    # else the usual week: the forecast of the day before can then use that the next is closed.
    closed[:days] = ~table.open_days
    usual = _closed_weekdays(table.open_days)
    for row in range(days, ahead):
        # In Python, True and False are integers, too.
        if not isinstance(facts.get(first + dt.timedelta(days=row), {}).get("closed"), int):
            closed[row] = usual[row % 7]
    return Sales(
        first_day=first,
        dishes=table.dishes,
        quantities=quantities,
        promotion=promotion,
        discounted=discounted,
        closed=closed,
        holiday=flags["holiday"],
        school_holiday=flags["school_holiday"],
        country=store.country,
        names=table.names,
        doubtful=table.doubtful,
        confirmed=table.confirmed,
    )


def _closed_weekdays(open_days: BoolArray) -> BoolArray:
    """(7,): element i says whether the store never opens on the weekday of rows i, i + 7, …"""
    found = np.zeros(7, dtype=np.bool_)
    for weekday in range(7):
        last = open_days[weekday::7][-CLOSED_WEEKS:]
        found[weekday] = len(last) >= LEAST_CLOSED_WEEKS and not last.any()
    # A store that has not opened at all lately has no usual closing days.
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


def _promote(row: FloatArray, of_day: Facts, place: Mapping[str, int]) -> None:
    promotions = of_day.get("promotions")
    for dish in promotions if isinstance(promotions, list) else ():
        if isinstance(dish, str) and dish in place:
            row[place[dish]] = 1.0
    _discount(row, of_day.get("discount"), place)


def _discount(row: FloatArray, by_dish: Any, place: Mapping[str, int]) -> None:
    for dish, share in by_dish.items() if isinstance(by_dish, dict) else ():
        number = _number(share)
        if dish in place and number is not None:
            row[place[dish]] = min(max(number, 0.0), 1.0)


def _sold_out(row: FloatArray, by_dish: Any, place: Mapping[str, int], least: float) -> None:
    for dish, value in by_dish.items() if isinstance(by_dish, dict) else ():
        number = _number(value)
        if dish in place and number is not None and number >= least:
            row[place[dish]] = np.nan
