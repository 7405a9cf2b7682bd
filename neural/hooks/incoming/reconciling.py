"""Asks platforms for what was missed: each night for the days before, and when a person asks.

A :class:`~neural.hooks.models.Reconciliation` is one day of one source. Its run asks page by page
(``comparing`` says what is missing of one), and saves how far it is together with what came of the
page. It may be killed, repeated, and run beside pushes at any time.
"""

import datetime as dt
import logging
import time
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from neural.hooks.conf import conf as hook_conf
from neural.hooks.incoming import comparing
from neural.hooks.incoming.fetching import FetchFailed, client_of
from neural.hooks.incoming.receiving import log_failure, place_of
from neural.hooks.incoming.translating import wait_or
from neural.hooks.models import Reconciliation, ReconciliationState, StoreCode, WebhookSource
from neural.hooks.platforms.base import PLATFORMS, Asked, Client
from neural.kit.encrypted import SecretUnreadable
from neural.kit.errors import NeuralError
from neural.kit.storable import escaped
from neural.ledger.clock import database_clock
from neural.ledger.ports import Ended, without_success
from neural.ledger.prune import Prunable
from neural.ledger.record import enqueue
from neural.ledger.work import Snooze
from neural.models.store import default_time_zone
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.runs.slices import Clock, in_slices
from neural.schedules.shipped import ShippedSchedule

logger = logging.getLogger(__name__)

TASK = "neural.tasks.reconcile_source"
NIGHTLY_TASK = "neural.tasks.reconcile_sources"
SCHEDULE = ShippedSchedule(
    name="neural: what was missed",
    task=NIGHTLY_TASK,
    description=(
        "Asks each platform for the orders of the days before and submits what is missing "
        "(docs/how-to/platforms.md). Yours to change: it is made once and never overwritten."
    ),
    hour="5",
    minute="30",
)
NIGHTS = 3
"""So many days before today are asked for, until each was asked without a failure."""
MOST_TRIES = 5
"""After so many failures of one request, the rest of that store's day is left out."""
FIRST_WAIT_SECONDS = 30.0
MOST_PAGES = 1_000
"""So many pages of a store are asked for on average, so that a list without an end has one."""


class NothingToAsk(NeuralError):
    """A source's platform cannot be asked; says why, in the active language."""


def why_not(source: WebhookSource) -> str:
    """Why nobody can ask the platform of a source; empty if it can be asked."""
    platform = PLATFORMS.find(source.platform)
    if platform is None or platform.listing_needs is None:
        text = _(
            "%(platform)s has no list of orders by day to ask for: what it pushed in vain comes "
            "only if it is sent again."
        )
        return text % {"platform": platform.label if platform else source.platform}
    try:
        missing = [each for each in platform.listing_needs if not source.credentials.get(each)]
    except SecretUnreadable as error:
        return str(error)
    if missing:
        text = _("Enter these credentials first: %(names)s.")
        return text % {"names": ", ".join(missing)}
    if platform.lists_days and not StoreCode.objects.filter(source=source).exists():
        return _("Enter the platform's codes of its stores first.")
    return "" if source.active else _("The source is not active.")


def today(now: dt.datetime) -> dt.date:
    """The day by the clock of new stores, by which the nightly schedule runs, too."""
    return now.astimezone(ZoneInfo(default_time_zone())).date()


def request(
    source: WebhookSource, day: dt.date, *, by: str, enqueued: bool = True
) -> Reconciliation:
    """Have a platform asked for a day; returns the row, also one that is being asked already.

    A platform that lists no days is asked for what it could not push until now. Raises
    :class:`NothingToAsk`.
    """
    if why := why_not(source):
        raise NothingToAsk(f"{source.name}: {why}")
    if not PLATFORMS.get(source.platform).lists_days:
        day = today(database_clock())
    with transaction.atomic():
        new = Reconciliation(source=source, day=day, requested_by=by[:150])
        Reconciliation.objects.bulk_create([new], ignore_conflicts=True)
        row: Reconciliation = Reconciliation.objects.filter(source=source, day=day).latest("pk")
        if enqueued:
            enqueue(
                task=TASK,
                args=[],
                kwargs={"reconciliation": row.pk},
                queue=LOW_PRIORITY_QUEUE,
                priority=LOW_PRIORITY,
                unique_key=f"{TASK} {row.pk}",
                store=source.store_id,
                requested_by=by,
            )
    return row


def request_nightly(now: dt.datetime) -> dict[str, int]:
    """Ask each source that can be asked for the days before that were not asked without a failure;
    returns how many runs that makes."""
    requested = 0
    for source in WebhookSource.objects.filter(active=True).order_by("pk"):
        if not why_not(source):
            for day in _days_due(source, today(now)):
                request(source, day, by="nightly")
                requested += 1
    return {"requested": requested}


def _days_due(source: WebhookSource, last: dt.date) -> Iterator[dt.date]:
    if not PLATFORMS.get(source.platform).lists_days:
        yield last
        return
    done = Reconciliation.objects.filter(source=source, state=ReconciliationState.DONE)
    days = [last - dt.timedelta(days=each) for each in range(1, NIGHTS + 1)]
    known = set(done.filter(day__in=days).values_list("day", flat=True))
    yield from (day for day in days if day not in known)


# The work of a run


def reconcile(*, reconciliation: int, clock: Clock = time.monotonic) -> dict[str, Any]:
    """Ask for some seconds, from where the slice before ended; returns what came of all of it.

    Raises :class:`Snooze` while there is more to ask, or a request is to be made again later.
    """
    rows = Reconciliation.objects.select_related("source", "source__store")
    row = rows.filter(pk=reconciliation).first()
    if row is None:
        return {}
    in_slices(_requests(row), lambda: outcome(row), clock=clock)
    return {"overtaken": True} if row.state == ReconciliationState.ASKING else outcome(row)


def _requests(row: Reconciliation) -> Iterator[None]:
    """One step a request, until all was asked for or the row is not ours any more."""
    asking = _Asking(row)
    while row.state == ReconciliationState.ASKING and asking.step():
        yield


def outcome(row: Reconciliation) -> dict[str, Any]:
    """What came of it so far, as JSON."""
    names = ("state", "asked", "found", "here", "submitted", "untranslated", "failures")
    return {"day": row.day.isoformat(), **{name: getattr(row, name) for name in names}}


def end_with_run(ended: Sequence[Ended]) -> None:
    """End the reconciliations whose runs ended before them and that no other run goes on with, in
    the same transaction: the nightly schedule, or a person, asks for the day again."""
    rows = Reconciliation.objects.all
    for each, row in without_success(ended, task=TASK, argument="reconciliation", rows=rows):
        _end(row, f"its run ended before it: {each.state}")


def _end(row: Reconciliation, why: str = "") -> bool:
    """Ask for nothing more; ``why`` is empty if all was asked for."""
    failures = [*row.failures, *([{"code": "", "reason": escaped(why, 500)}] if why else [])]
    state = ReconciliationState.FAILED if failures else ReconciliationState.DONE
    ended = row.change(state=state, ended_at=database_clock(), failures=failures)
    if ended:
        logger.info("event=reconciled source=%s facts=%r", row.source.name, outcome(row))
    return ended


class _Asking:
    """Asks for one row. ``step`` makes one request, and returns whether the row is still ours."""

    def __init__(self, row: Reconciliation) -> None:
        self._row = row
        self._source = row.source
        self._client: Client = client_of(row.source.name)
        self._shared: dict[str, Any] = {}

    def step(self) -> bool:
        row, source = self._row, self._source
        if why := why_not(source):
            return _end(row, why)
        platform = PLATFORMS.get(source.platform)
        stores = _stores(source) if platform.lists_days else [("", None)]
        if row.stores_done >= len(stores):
            return _end(row)
        code, zone = stores[row.stores_done]
        asked = _asked(row, code, zone, self._shared)
        try:
            page = platform.list_page(asked, source.credentials, self._client)
            judged = comparing.judged(source, platform, page.listed, self._client)
        except FetchFailed as failure:
            waiting = wait_or(failure)
            if waiting is not failure:
                raise waiting from failure
            return self._failed(code, str(failure))
        except NeuralError as error:
            return self._failed(code, str(error))
        except Exception as error:  # noqa: BLE001 (a class of an app's own may raise anything)
            log_failure(source, "list_page", error)
            return self._failed(code, f"{type(error).__name__} at {place_of(error)}")
        with transaction.atomic():
            counts = comparing.record_missing(source, judged)
            done = {name: getattr(row, name) + number for name, number in counts.items()}
            done |= {"asked": row.asked + 1, "stores": len(stores)}
            if not page.following:
                return row.change(**_next_store(row), **done)
            if why := _endless(row, page.following):
                return self._left_out(code, why, **done)
            return row.change(page=page.following, tries=0, **done)

    def _failed(self, code: str, reason: str) -> bool:
        """Ask again later, or go on with the next store."""
        row = self._row
        if row.tries + 1 < MOST_TRIES:
            if not row.change(tries=row.tries + 1):
                return False
            seconds = FIRST_WAIT_SECONDS * 2 ** (row.tries - 1)
            raise Snooze(seconds, checkpoint=outcome(row) | {"waits_because": reason})
        return self._left_out(code, reason)

    def _left_out(self, code: str, reason: str, **changes: Any) -> bool:
        """Go on with the next store; the rest of this one's day is left out."""
        row, failure = self._row, {"code": code, "reason": escaped(reason, 500)}
        return row.change(failures=[*row.failures, failure], **_next_store(row), **changes)


def _next_store(row: Reconciliation) -> dict[str, Any]:
    return {"stores_done": row.stores_done + 1, "page": "", "tries": 0}


def _endless(row: Reconciliation, following: str) -> str:
    """Why the page that follows is not asked for; empty if it is."""
    if following == row.page:
        return "a page of its list leads to itself: the rest of the day was not asked for"
    if row.asked + 1 >= MOST_PAGES * (row.stores_done + 1):
        return f"its list has no end after {MOST_PAGES:,} pages: the rest was not asked for"
    return ""


def _stores(source: WebhookSource) -> Sequence[tuple[str, ZoneInfo]]:
    """The codes by which the platform knows the stores of a source, and their time zones."""
    codes = StoreCode.objects.filter(source=source).select_related("store").order_by("pk")
    return [(each.code, each.store.zone) for each in codes]


def _asked(row: Reconciliation, code: str, zone: ZoneInfo | None, shared: dict[str, Any]) -> Asked:
    zone = zone or ZoneInfo(default_time_zone())
    start, end = (
        dt.datetime.combine(day, dt.time(), tzinfo=zone)
        for day in (row.day, row.day + dt.timedelta(days=1))
    )
    return Asked(store_code=code, start=start, end=end, page=row.page, shared=shared)


OLD = Prunable(
    name="reconciliations",
    which="as old reports of what platforms were asked for, once they have ended",
    model=Reconciliation,
    made_at="created_at",
    kept_days=lambda: hook_conf().hook_reconciliations_kept_days,
    rows=lambda rows: rows.exclude(state=ReconciliationState.ASKING),
    label=gettext_lazy("reconciliations"),
)
