"""Handlers of what a store reports about itself: dishes, shifts, stock and daily sales."""

from collections.abc import Sequence

from neural.errors import PermanentError
from neural.events.changes import reindex
from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.models import Dish, SalesReport, Shift, StockLevel
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import (
    DishPayload,
    LowStockPayload,
    SalesReportPayload,
    ShiftPayload,
    StockPayload,
)
from neural.restaurant.totals import DEMAND


@handles("sales.reported", name="neural.record_sales", batch=True)
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


@handles("dish.updated")
def record_dish(event: NeuralEvent, data: DishPayload) -> None:
    """Save the stated dish, unless a newer statement of it is known."""
    is_news = Dish.objects.upsert_if_newer(
        key={"store": event.store, "code": data.dish},
        version=version_of(event),
        values={
            "name": data.name,
            "category": data.category,
            "price": data.price,
            "currency": data.currency,
            "available": data.available,
            "details": data.model_extra or {},
        },
    )
    if is_news:
        reindex(collection="dishes", store=event.store_id, ids=[data.dish])


class ShiftEndsBeforeItStarts(PermanentError):
    """The shift ends before it starts, in the store's own time."""


@handles("staff.scheduled")
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


@handles("inventory.low", "inventory.updated")
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
