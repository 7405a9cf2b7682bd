"""All that is known of a store's business day: its figures, gaps in its tills' tickets, and
events that may explain what is missing."""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from neural.models import RefusedEvent, RunState, Store, TaskRun
from neural.restaurant.days.comparing import Comparison, compare, compare_all_tills
from neural.restaurant.days.figures import Counts, Figures, Money, Sales, sum_of
from neural.restaurant.days.sums import (
    Balance,
    Day,
    TaxOfRate,
    Tills,
    balances_of,
    channels_of,
    counts_of,
    hours_of,
    taxes_of,
    tills_of,
)
from neural.restaurant.models import DayClose, Order
from neural.runs.models.run import TaskRunQuerySet

MOST_DIGITS = 9
"""A number with more digits is an id and no ticket."""
MOST_MISSING = 50
"""Numbers are no sequence, but ids, if so many are missing for each that is known."""

_TICKET = re.compile(r"(?P<prefix>(?:.*[^0-9])?)(?P<digits>[0-9]+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Gap:
    """Tickets that are missing, from the first to the last."""

    first: str
    last: str
    count: int


def gaps(tickets: Iterable[str], *, first: str = "", last: str = "") -> list[Gap]:
    """What is missing in each sequence: tickets with the same prefix and a number at the end.

    A sequence goes from the till's ``first`` to its ``last`` ticket where these are stated and of
    its prefix, else from its lowest to its highest. Tickets without a number at the end, and ids,
    are left out.
    """
    known: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for prefix, digits in filter(None, map(_split, tickets)):
        known[prefix][int(digits)] = digits
    begin, end = _split(first), _split(last)
    if begin and end and begin[0] == end[0]:
        known.setdefault(begin[0], {})
    return [
        gap
        for prefix in sorted(known)
        for gap in _missing(prefix, known[prefix], _edge(begin, prefix), _edge(end, prefix))
    ]


def begin_again(tills: Iterable[Iterable[str]]) -> bool:
    """Whether tills give the same tickets, each in a sequence of its own."""
    known = [{(found[0], int(found[1])) for found in map(_split, till) if found} for till in tills]
    return sum(map(len, known)) > len(set().union(*known))


def _split(ticket: str) -> tuple[str, str] | None:
    found = _TICKET.match(ticket)
    if found is None or len(found["digits"]) > MOST_DIGITS:
        return None
    return found["prefix"], found["digits"]


def _edge(stated: tuple[str, str] | None, prefix: str) -> str:
    """The stated number, if it is of this sequence."""
    return stated[1] if stated and stated[0] == prefix else ""


def _missing(prefix: str, known: Mapping[int, str], first: str, last: str) -> Iterator[Gap]:
    low = int(first) if first else min(known)
    high = int(last) if last else max(known)
    if low > high:  # the numbers began again within the day
        return
    numbers = [low - 1, *sorted(each for each in known if low <= each <= high), high + 1]
    missing = high - low + 1 - (len(numbers) - 2)
    if not (first and last) and missing > MOST_MISSING * len(known):
        return
    width = _width(known.values(), first)
    for before, after in pairwise(numbers):
        if after - before > 1:
            first, last = (f"{prefix}{number:0{width}}" for number in (before + 1, after - 1))
            yield Gap(first, last, count=after - before - 1)


def _width(written: Iterable[str], first: str) -> int:
    """How many digits a number has at least: as many as one that is padded with zeros."""
    padded = (len(digits) for digits in (*written, first) if digits.startswith("0"))
    return max(padded, default=1)


MOST_GAPS = 50
"""How many gaps of a till are listed."""
MOST_TICKETS = 100_000
HOURS = 24


@dataclass(frozen=True, kw_only=True)
class CurrencyDay:
    """A day's figures in one currency. ``hours`` has (hour, orders, total) of all hours in the
    order of the store's day, or is empty where nothing was sold."""

    currency: str
    sales: Sales
    money: Money
    balance: Balance
    channels: Sequence[tuple[str, str, Sales]] = ()
    hours: Sequence[tuple[int, int, Decimal]] = ()
    taxes: Sequence[TaxOfRate] = ()


@dataclass(frozen=True)
class TicketsMissing:
    """The gaps in the tickets of a till, or of the whole store; ``more`` is how many further gaps
    are not listed."""

    till: str
    gaps: Sequence[Gap]
    more: int
    of_store: bool = False

    @property
    def count(self) -> int:
        return sum(gap.count for gap in self.gaps)


@dataclass(frozen=True, kw_only=True)
class DaySummary:
    """A store's business day. ``comparisons`` has one entry for each close, and further ones for
    all tills together; ``not_closed`` are the tills with orders or payments but without a close."""

    store: Store
    day: dt.date
    counts: Counts
    currencies: Sequence[CurrencyDay]
    comparisons: Sequence[Comparison]
    not_closed: Sequence[str]
    missing: Sequence[TicketsMissing]


def summarise(store: Store, day: dt.date) -> DaySummary:
    """What was sold and paid on this day, beside what the store's tills state of it."""
    here: Day = (store.pk, day)
    tills = tills_of([here]).get(here, {})
    closes = list(
        DayClose.objects.filter(store=store, business_day=day).order_by("till", "currency")
    )
    alone = [compare(close, tills) for close in closes]
    return DaySummary(
        store=store,
        day=day,
        counts=counts_of(here),
        currencies=_currencies(store, day, tills),
        comparisons=[*alone, *compare_all_tills(closes, tills)],
        not_closed=_not_closed(closes, tills),
        missing=_tickets_missing(here, closes),
    )


def compare_closes(closes: Iterable[DayClose]) -> dict[int, Comparison]:
    """Many closes, of whatever stores and days, beside our figures; by primary key."""
    closes = list(closes)
    days = tills_of({(close.store_id, close.business_day) for close in closes}) if closes else {}
    return {
        close.pk: compare(close, days.get((close.store_id, close.business_day), {}))
        for close in closes
    }


def latest_day(store: Store, now: dt.datetime) -> dt.date | None:
    """The newest day up to today of which there is an order; None if there is none. Orders of
    later days are scheduled, or their date is wrong."""
    days = Order.objects.filter(store=store, business_day__lte=store.business_day(now))
    return days.order_by("-business_day").values_list("business_day", flat=True).first()


def _currencies(store: Store, day: dt.date, tills: Tills) -> list[CurrencyDay]:
    balances = balances_of((store.pk, day))
    # An order that counts nowhere may be the only one in its currency.
    by_currency = defaultdict[str, list[Figures]](list, {currency: [] for currency in balances})
    for (_, currency), figures in tills.items():
        by_currency[currency].append(figures)
    channels, hours = channels_of((store.pk, day)), hours_of(store, day)
    taxes = taxes_of((store.pk, day))
    return [
        CurrencyDay(
            currency=currency,
            sales=sum_of(figures).sales,
            money=sum_of(figures).money,
            balance=balances.get(currency, Balance()),
            channels=channels.get(currency, ()),
            hours=_in_order(hours.get(currency, {}), _first_hour(store.day_ends_at)),
            taxes=taxes.get(currency, ()),
        )
        for currency, figures in sorted(by_currency.items())
    ]


def _first_hour(day_ends_at: dt.time) -> int:
    """The first hour of the chart. One that the end of the day cuts is the last: it has the last
    sales of the night, and hardly any of the morning."""
    return day_ends_at.hour + (day_ends_at.minute > 0)


def _in_order(hours: dict[int, tuple[int, Decimal]], first: int) -> list[tuple[int, int, Decimal]]:
    order = [(place + first) % HOURS for place in range(HOURS)] if hours else []
    return [(hour, *hours.get(hour, (0, Decimal(0)))) for hour in order]


def _not_closed(closes: Sequence[DayClose], tills: Tills) -> list[str]:
    closed = {close.till for close in closes}
    return [] if "" in closed else sorted({till for till, _ in tills} - closed)


def _tickets_missing(day: Day, closes: Sequence[DayClose]) -> list[TicketsMissing]:
    """The gaps of each till; of all tills in one sequence where a close speaks for the whole store,
    unless each till counts on its own: then what it states bounds none of them."""
    tickets, stated = _tickets(day), _stated_tickets(closes)
    whole = stated.pop("", None)
    of_store = whole is not None and not begin_again(tickets.values())
    if whole and of_store:
        tickets, stated = {"": set().union(*tickets.values())}, {"": whole}
    found = []
    for till in sorted({*tickets, *stated}):
        first, last = stated.get(till, ("", ""))
        if missing := gaps(tickets.get(till, ()), first=first, last=last):
            more = len(missing[MOST_GAPS:])
            found.append(TicketsMissing(till, missing[:MOST_GAPS], more, of_store=of_store))
    return found


def _stated_tickets(closes: Sequence[DayClose]) -> dict[str, tuple[str, str]]:
    """The first and last ticket by till. What a till's closes in several currencies state
    differently bounds nothing: each may speak of its own tickets."""
    first: defaultdict[str, set[str]] = defaultdict(set)
    last: defaultdict[str, set[str]] = defaultdict(set)
    for close in closes:
        first[close.till].add(close.first_ticket)
        last[close.till].add(close.last_ticket)
    return {till: (_only(first[till]), _only(last[till])) for till in first}


def _only(tickets: set[str]) -> str:
    """The one that is stated; empty if none is, or several are."""
    stated = tickets - {""}
    return stated.pop() if len(stated) == 1 else ""


def _tickets(day: Day) -> dict[str, set[str]]:
    """The tickets of a day by till."""
    store, date = day
    rows = Order.objects.filter(store=store, business_day=date).values_list("till", "number")
    tickets: defaultdict[str, set[str]] = defaultdict(set)
    for till, number in rows[:MOST_TICKETS]:
        tickets[till].add(number)
    return dict(tickets)


MOST_SHOWN = 20
MOST_READ = 1000
"""How many of the newest dead runs, and of a store's newest runs and refused events, are looked
at."""


def span_of(store: Store, day: dt.date) -> tuple[dt.datetime, dt.datetime]:
    """When a business day begins, and when it ends."""
    begin = dt.datetime.combine(day, store.day_ends_at, store.zone)
    end = dt.datetime.combine(day + dt.timedelta(days=1), store.day_ends_at, store.zone)
    return begin, end


def dead_runs(store: Store, day: dt.date) -> Sequence[TaskRun]:
    """Dead runs of events that occurred on this day, the newest first."""
    found = _of_day(TaskRun.objects.dead(), store, day)
    return list(found.select_related("event").order_by("-pk")[:MOST_SHOWN])


def is_behind(store: Store, day: dt.date) -> bool:
    """Whether events of this day wait to be handled; the newest of a queue are handled last."""
    newest = _of_day(TaskRun.objects.filter(store=store), store, day)
    return newest.filter(state__in=(RunState.PENDING, RunState.RUNNING)).exists()


def _of_day(runs: TaskRunQuerySet, store: Store, day: dt.date) -> TaskRunQuerySet:
    """The newest of these runs, of events that occurred on this day."""
    begin, end = span_of(store, day)
    return TaskRun.objects.filter(
        pk__in=list(runs.order_by("-pk").values_list("pk", flat=True)[:MOST_READ]),
        store=store,
        event__occurred_at__gte=begin,
        event__occurred_at__lt=end,
    )


def refused_events(store: Store, day: dt.date) -> Sequence[RefusedEvent]:
    """Events of the store that were refused during this day and that nobody corrected or dismissed,
    the newest first."""
    own = RefusedEvent.objects.filter(store_code=store.pk).order_by("-pk")
    newest = list(own.values_list("pk", flat=True)[:MOST_READ])
    begin, end = span_of(store, day)
    found = RefusedEvent.objects.open().filter(
        pk__in=newest, refused_at__gte=begin, refused_at__lt=end
    )
    return list(found.defer("payload").order_by("-pk")[:MOST_SHOWN])
