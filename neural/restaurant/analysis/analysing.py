"""The runs of the demand analysis: one per store, and another if it was not finished in time."""

import datetime as dt
from typing import Any

from django.db.models import Exists, OuterRef, Q

from neural.celeryapp.shipped_schedules import ShippedSchedule
from neural.errors import PermanentError
from neural.ledger.record import enqueue
from neural.models import Store
from neural.models.store import StoreQuerySet, StoreUnknown
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.restaurant.analysis.slices import RUN_SECONDS, analyse_store
from neural.restaurant.models import DailyDemand, DemandSummary

ANALYSIS_TASK = "neural.tasks.analyse_demand"
ANALYSIS_SCHEDULE = ShippedSchedule(
    name="neural: demand analysis",
    task=ANALYSIS_TASK,
    description=(
        "Brings the summaries of demand up to date (docs/analysis.md). Yours to change: it is "
        "made once and never overwritten."
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
    kept = DemandSummary.objects.filter(store=OuterRef("pk"))
    found: StoreQuerySet = Store.objects.filter(Q(Exists(sold)) | Q(Exists(kept))).order_by("pk")
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
