"""Updating a store's demand summaries, a slice of weeks at a time."""

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from django.db import transaction

from neural.models import Store
from neural.restaurant.analysis.arithmetic import USUAL_WEEKS, WEEK, monday_of
from neural.restaurant.analysis.summarising import Sale, Summary, summarise
from neural.restaurant.models import DailyDemand, DemandSummary

SLICE_WEEKS = 13
"""A quarter of a year per transaction, because on SQLite nobody else can write meanwhile."""
RUN_SECONDS = 5.0
"""After so many seconds, a run leaves the rest to another one."""

KEY = ("store", "period", "starts_on", "dish")
COMPUTED = tuple(each for each in Summary.__slots__ if each not in KEY)
Key = tuple[str, dt.date, str]
"""Period, first day and dish."""


@dataclass
class AnalysisProgress:
    """What was done: rows written and deleted, slices, and where to continue (None: finished)."""

    written: int = 0
    deleted: int = 0
    slices: int = 0
    goes_on_at: dt.date | None = None


def analyse_store(
    *, store: Store, since: dt.date | None, now: dt.datetime, seconds: float = RUN_SECONDS
) -> AnalysisProgress:
    """Make the store's summaries agree with its daily demand, from the week of ``since`` on.

    Only days that have ended in the store's time zone are summarised; ``since`` None means all.
    Rows that are correct already are not written, so repeating it changes nothing. Each slice is a
    transaction. After ``seconds`` it stops, and ``goes_on_at`` says where to continue.
    """
    today = store.business_day(now)
    progress = AnalysisProgress()
    deadline = time.monotonic() + seconds
    monday = _next_week(store, since or dt.date.min, today)
    while monday is not None and (not progress.slices or time.monotonic() < deadline):
        until = monday + SLICE_WEEKS * WEEK
        _analyse_slice(store, monday, until, today, progress)
        monday = _next_week(store, until, today)
    progress.goes_on_at = monday
    return progress


def _next_week(store: Store, day: dt.date, today: dt.date) -> dt.date | None:
    """The Monday of the first week, from the week of ``day`` on, that has demand or summaries."""
    first = monday_of(day)
    sold = DailyDemand.objects.filter(store=store, day__gte=first, day__lt=today)
    kept = DemandSummary.objects.days().filter(store=store, starts_on__gte=first)
    found = [
        *sold.order_by("day").values_list("day", flat=True)[:1],
        *kept.order_by("starts_on").values_list("starts_on", flat=True)[:1],
    ]
    return monday_of(min(found)) if found else None


def _analyse_slice(
    store: Store, first: dt.date, until: dt.date, today: dt.date, progress: AnalysisProgress
) -> None:
    with transaction.atomic():
        # Everything is read after the lock is taken, so that two runs never mix their rows.
        Store.objects.select_for_update(no_key=True).get(pk=store.pk)
        kept = _kept(store, first, until)
        right = {
            (each.period, each.starts_on, each.dish): each
            for each in _summaries(store, first, until, today)
        }
        wrong = [pk for key, (pk, _) in kept.items() if key not in right]
        new = [each for key, each in right.items() if key not in kept or _differs(each, kept[key])]
        progress.deleted += _delete(wrong)
        progress.written += _write(store, new)
    progress.slices += 1


def _summaries(store: Store, first: dt.date, until: dt.date, today: dt.date) -> Iterable[Summary]:
    end = min(until, today)
    demand = DailyDemand.objects.filter(
        store=store, day__gte=first - USUAL_WEEKS * WEEK, day__lt=end
    )
    rows = demand.values_list("day", "dish", "name", "quantity", "revenue")
    return summarise((Sale(*row) for row in rows), first=first, until=end)


def _kept(
    store: Store, first: dt.date, until: dt.date
) -> dict[Key, tuple[int, tuple[object, ...]]]:
    found = DemandSummary.objects.filter(store=store).between(first, until)
    rows = found.values_list("pk", *KEY[1:], *COMPUTED)
    return {tuple(row[1:4]): (row[0], tuple(row[4:])) for row in rows}


def _differs(summary: Summary, kept: tuple[int, tuple[object, ...]]) -> bool:
    return tuple(getattr(summary, each) for each in COMPUTED) != kept[1]


def _delete(keys: list[int]) -> int:
    for start in range(0, len(keys), 500):
        DemandSummary.objects.filter(pk__in=keys[start : start + 500]).delete()
    return len(keys)


def _write(store: Store, summaries: list[Summary]) -> int:
    rows = (DemandSummary(store=store, **asdict(each)) for each in summaries)
    DemandSummary.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=KEY, update_fields=COMPUTED
    )
    return len(summaries)
