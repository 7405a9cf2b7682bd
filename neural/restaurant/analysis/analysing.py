"""The analysis of demand on the ledger: one run a store, and a run to go on where one stopped."""

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
    comes_with="demand_summaries",
)


class DayUnreadable(PermanentError):
    """``since`` is no day in ISO 8601."""


def analyse(*, store_id: str | None, since: str | None, now: dt.datetime) -> dict[str, Any]:
    """What one run of the task does; returns what it did.

    Without a store: asks for a run for each store. With one: brings its summaries up to
    date from ``since``'s week on, and asks for a run that goes on if it takes too long.
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
    """Ask for a run for each store that has sold something; returns how many.

    While one that begins at the same day waits, no second one is recorded. Killed in the
    middle, it may be done again.
    """
    codes = list(stores_with_demand().values_list("pk", flat=True))
    for code in codes:
        _request(code, since, requested_by=requested_by)
    return len(codes)


def request_analysis_of(
    *, store: Store, since: dt.date | None = None, requested_by: str = ""
) -> None:
    """Ask for a run for one store."""
    _request(store.pk, since, requested_by=requested_by)


def stores_with_demand() -> StoreQuerySet:
    """Stores that have sold something, or of which there are summaries."""
    sold = DailyDemand.objects.filter(store=OuterRef("pk"))
    kept = DemandSummary.objects.filter(store=OuterRef("pk"))
    found: StoreQuerySet = Store.objects.filter(Q(Exists(sold)) | Q(Exists(kept))).order_by("pk")
    return found


def known_store(code: str) -> Store:
    """The store of this code, or :class:`StoreUnknown`."""
    try:
        return Store.objects.get(pk=code)
    except Store.DoesNotExist as error:
        raise StoreUnknown(f"there is no store {code!r}") from error


def day_of(text: str | None) -> dt.date | None:
    """A day as an argument of the task has it, or :class:`DayUnreadable`."""
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise DayUnreadable(f"since must be a day like 2026-03-01, not {text!r}") from error


def _request(code: str, since: dt.date | None, *, requested_by: str) -> None:
    # The beginning is part of the key: a waiting run that begins later must not stand in for
    # one that begins earlier.
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
