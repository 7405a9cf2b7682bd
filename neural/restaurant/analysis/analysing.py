"""The demand analysis: a store's summaries, a slice of weeks at a time. One run per store, and
another if it was not finished in time."""

import datetime as dt
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from neural.kit.errors import PermanentError
from neural.ledger.record import enqueue
from neural.models import Store
from neural.models.store import StoreQuerySet, StoreUnknown
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.restaurant.analysis.summarising import (
    USUAL_WEEKS,
    WEEK,
    Sale,
    Summary,
    monday_of,
    summarise,
)
from neural.restaurant.models import DailyDemand, DemandSummary
from neural.schedules.shipped import ShippedSchedule

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
    stored = DemandSummary.objects.days().filter(store=store, starts_on__gte=first)
    found = [
        *sold.order_by("day").values_list("day", flat=True)[:1],
        *stored.order_by("starts_on").values_list("starts_on", flat=True)[:1],
    ]
    return monday_of(min(found)) if found else None


def _analyse_slice(
    store: Store, first: dt.date, until: dt.date, today: dt.date, progress: AnalysisProgress
) -> None:
    with transaction.atomic():
        # Everything is read after the lock is taken, so that two runs never mix their rows.
        Store.objects.select_for_update(no_key=True).get(pk=store.pk)
        stored = _stored(store, first, until)
        right = {
            (each.period, each.starts_on, each.dish): each
            for each in _summaries(store, first, until, today)
        }
        wrong = [pk for key, (pk, _) in stored.items() if key not in right]
        new = [
            each for key, each in right.items() if key not in stored or _differs(each, stored[key])
        ]
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


def _stored(
    store: Store, first: dt.date, until: dt.date
) -> dict[Key, tuple[int, tuple[object, ...]]]:
    found = DemandSummary.objects.filter(store=store).between(first, until)
    rows = found.values_list("pk", *KEY[1:], *COMPUTED)
    return {tuple(row[1:4]): (row[0], tuple(row[4:])) for row in rows}


def _differs(summary: Summary, stored: tuple[int, tuple[object, ...]]) -> bool:
    return tuple(getattr(summary, each) for each in COMPUTED) != stored[1]


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


ANALYSIS_TASK = "neural.tasks.analyse_demand"
ANALYSIS_SCHEDULE = ShippedSchedule(
    name="neural: demand analysis",
    task=ANALYSIS_TASK,
    description=(
        "Brings the summaries of demand up to date (docs/explanation/analysis.md). Yours to change:"
        " it is made once and never overwritten."
    ),
    hour="2",
    minute="0",
)


class DayUnreadable(PermanentError):
    """``since`` is not a day in ISO 8601."""


def analyse(*, store_id: str | None, since: str | None, now: dt.datetime) -> dict[str, Any]:
    """The work of one run of the task; returns counts.

    Without a store, it enqueues a run for each store. With one, it updates the store's summaries
    from the week of ``since`` on, and enqueues a run for the rest if its time is up. Raises
    :class:`DayUnreadable` and :class:`StoreUnknown`.
    """
    first = day_of(since)
    if store_id is None:
        return {"stores": request_analysis(since=first, requested_by="analyse_demand")}
    progress = analyse_store(store=known_store(store_id), since=first, now=now, seconds=RUN_SECONDS)
    if progress.goes_on_at:
        _request(store_id, progress.goes_on_at, requested_by="analyse_demand")
    goes_on = {"goes_on_at": progress.goes_on_at} if progress.goes_on_at else {}
    return {"written": progress.written, "deleted": progress.deleted, **goes_on}


def request_analysis(*, since: dt.date | None = None, requested_by: str = "") -> int:
    """Enqueue a run for each store that has sold something; returns how many.

    If a run with the same first day is waiting already, no second one is recorded. So this can be
    repeated after a crash.
    """
    codes = list(stores_with_demand().values_list("pk", flat=True))
    for code in codes:
        _request(code, since, requested_by=requested_by)
    return len(codes)


def request_analysis_of(
    *, store: Store, since: dt.date | None = None, requested_by: str = ""
) -> None:
    """Enqueue a run for one store."""
    _request(store.pk, since, requested_by=requested_by)


def stores_with_demand() -> StoreQuerySet:
    """Stores that have sold something, or have summaries."""
    sold = DailyDemand.objects.filter(store=OuterRef("pk"))
    stored = DemandSummary.objects.filter(store=OuterRef("pk"))
    found: StoreQuerySet = Store.objects.filter(Q(Exists(sold)) | Q(Exists(stored))).order_by("pk")
    return found


def known_store(code: str) -> Store:
    """The store of this code. Raises :class:`StoreUnknown`."""
    try:
        return Store.objects.get(pk=code)
    except Store.DoesNotExist as error:
        raise StoreUnknown(f"there is no store {code!r}") from error


def day_of(text: str | None) -> dt.date | None:
    """The day in an argument of the task; None for none. Raises :class:`DayUnreadable`."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise DayUnreadable(f"since must be a day like 2026-03-01, not {text!r}") from error


def _request(code: str, since: dt.date | None, *, requested_by: str) -> None:
    # The first day is part of the key: a waiting run that begins later must not replace one that
    # begins earlier.
    beginning = f":{since.isoformat()}" if since else ""
    enqueue(
        task=ANALYSIS_TASK,
        args=[],
        kwargs={"store_id": code, "since": since.isoformat() if since else None},
        queue=LOW_PRIORITY_QUEUE,
        priority=LOW_PRIORITY,
        unique_key=f"{ANALYSIS_TASK.rpartition('.')[2]}:{code}{beginning}",
        store=code,
        requested_by=requested_by,
    )
