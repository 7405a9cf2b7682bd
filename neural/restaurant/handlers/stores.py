"""Handlers of what a store reports about itself: when it is open, who works, stock, sales, and
how a day was closed."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy as _

from neural.events.changes import reindex
from neural.events.registry import Received, handles
from neural.kit.errors import PermanentError
from neural.models import NeuralEvent
from neural.restaurant.models import (
    DayClose,
    OpeningState,
    SalesReport,
    Shift,
    StockLevel,
    TimeCard,
)
from neural.restaurant.models.newest import newer_known, version_of
from neural.restaurant.schemas import (
    ClockedIn,
    ClockedOut,
    DayClosed,
    LowStockPayload,
    OpeningReported,
    SalesReportPayload,
    ShiftPayload,
    StockPayload,
)
from neural.restaurant.totals import DEMAND


@handles(
    "sales.reported",
    name="neural.record_sales",
    batch=True,
    superseded=newer_known(SalesReport, day=lambda _, data: data.day),
    title=_("Record sales reports"),
)
def record_sales(received: Sequence[Received[SalesReportPayload]]) -> None:
    """Replace a day's sales report, unless the known one is newer."""
    reports = [_report(event, data) for event, data in received]
    if SalesReport.objects.upsert_many_if_newer(reports, key=("store", "day")):
        DEMAND.ask({(report.store_id, report.day) for report in reports})


def _report(event: NeuralEvent, data: SalesReportPayload) -> SalesReport:
    return SalesReport(
        store=event.store,
        day=data.day,
        version=version_of(event),
        lines=_lines(data),
        context=data.model_extra or {},
    )


def _lines(data: SalesReportPayload) -> list[dict[str, str | None]]:
    return [
        {
            "dish": line.dish_code,
            "name": line.name,
            "quantity": str(line.quantity),
            "revenue": None if line.revenue is None else str(line.revenue),
        }
        for line in data.lines
    ]


class ShiftEndsBeforeItStarts(PermanentError):
    """The shift ends before it starts, in the store's own time."""


@handles(
    "staff.scheduled",
    superseded=newer_known(Shift, code=lambda _, data: data.shift_id),
    title=_("Record shifts"),
)
def schedule_shift(event: NeuralEvent, data: ShiftPayload) -> None:
    """Save the stated shift, unless a newer statement of it is known. Raises
    :class:`ShiftEndsBeforeItStarts`."""
    starts_at = event.store.localize(data.starts_at)
    ends_at = event.store.localize(data.ends_at)
    if ends_at <= starts_at:
        # The schema refuses this, except if only one of the two times has a zone, or if the clocks
        # change between them.
        raise ShiftEndsBeforeItStarts(f"{data.shift_id} starts {starts_at} and ends {ends_at}")
    is_news = Shift.objects.upsert_if_newer(
        key={"code": data.shift_id, "store": event.store},
        version=version_of(event),
        values={
            "staff_code": data.staff_id,
            "staff_name": data.name,
            "role": data.role,
            "starts_at": starts_at,
            "ends_at": ends_at,
        },
    )
    if is_news:
        reindex(collection="staff", store=event.store_id, ids=[data.shift_id])


@handles(
    "inventory.low",
    "inventory.updated",
    superseded=newer_known(StockLevel, "level_version", item=lambda _, data: data.item),
    title=_("Record stock levels"),
)
def record_stock(event: NeuralEvent, data: StockPayload) -> None:
    """Save an item's level and its threshold, each unless a newer one is known."""
    level = StockLevel.objects.lock_or_create(store=event.store, item=data.item)
    level.report(
        version=version_of(event),
        level=data.level,
        unit=data.unit,
        threshold=data.threshold,
        low=isinstance(data, LowStockPayload),
    )


@handles(
    "store.opened",
    "store.closed",
    "store.busy",
    batch=True,
    title=_("Record whether stores are open"),
)
def record_opening(received: Sequence[Received[OpeningReported]]) -> None:
    """Save that stores opened, closed or are too busy: a row for each event."""
    states = [
        OpeningState(
            store=event.store,
            platform=data.platform,
            state=event.type.removeprefix("store."),
            reason=data.reason,
            starts_at=event.store.localize(data.at or event.occurred_at),
            ends_at=event.store.localize(data.until) if data.until else None,
            version=version_of(event),
        )
        for event, data in received
    ]
    OpeningState.objects.upsert_many_if_newer(states, key=("store", "platform", "version"))


def _is_older_time(event: NeuralEvent, data: ClockedIn) -> bool:
    column = "end_version" if isinstance(data, ClockedOut) else "start_version"
    return newer_known(TimeCard, column, code=lambda _, data: data.timecard_id)(event, data)


@handles(
    "staff.clocked_in",
    "staff.clocked_out",
    batch=True,
    superseded=_is_older_time,
    title=_("Record working times"),
)
def record_time(received: Sequence[Received[ClockedIn]]) -> None:
    """Save when people began and stopped working, each unless a newer statement is known."""
    keys = {(data.timecard_id, event.store_id) for event, data in received}
    cards = {
        (card.code, card.store_id): card
        for card in TimeCard.objects.lock_or_create_many(keys, key=("code", "store"))
    }
    changed = {}
    for event, data in received:
        card = cards[data.timecard_id, event.store_id]
        if _clock(card, event, data):
            changed[card.pk] = card
    TimeCard.objects.keep(changed.values())


def _clock(card: TimeCard, event: NeuralEvent, data: ClockedIn) -> bool:
    stated: dict[str, Any] = {
        "version": version_of(event),
        "at": event.store.localize(data.at or event.occurred_at),
        "code": data.staff_id,
        "name": data.name,
        "role": data.role,
    }
    if not isinstance(data, ClockedOut):
        return card.clock_in(**stated)
    breaks = [
        {
            "starts_at": event.store.localize(each.starts_at).isoformat(),
            "ends_at": event.store.localize(each.ends_at).isoformat(),
            "paid": each.paid,
        }
        for each in data.breaks
    ]
    return card.clock_out(**stated, breaks=breaks)


@handles(
    "day.closed",
    superseded=newer_known(
        DayClose,
        business_day=lambda _, data: data.business_day,
        till=lambda _, data: data.till,
        currency=lambda _, data: data.currency,
    ),
    title=_("Record the close of a day"),
)
def record_day_close(event: NeuralEvent, data: DayClosed) -> None:
    """Save what a till states of a business day in a currency, unless a newer statement of it is
    known. It changes no order and no payment."""
    DayClose.objects.upsert_if_newer(
        key={
            "store": event.store,
            "business_day": data.business_day,
            "till": data.till,
            "currency": data.currency,
        },
        version=version_of(event),
        values={
            "orders": data.orders,
            "guests": data.guests,
            "first_ticket": data.first_ticket,
            "last_ticket": data.last_ticket,
            "sums": {name: str(amount) for name, amount in data.sums.items()},
            "tenders": {name: str(amount) for name, amount in data.tenders.items()},
        },
    )
