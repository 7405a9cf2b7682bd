"""A store's own report of what it sold on a day."""

from collections.abc import Sequence

from neural.events.registry import Received, handles
from neural.models import NeuralEvent
from neural.restaurant.models import SalesReport
from neural.restaurant.models.newest import version_of
from neural.restaurant.schemas import SalesReportPayload
from neural.restaurant.totals.demand import DEMAND


@handles("sales.reported", name="neural.record_sales", batch=True)
def record_sales(received: Sequence[Received[SalesReportPayload]]) -> None:
    """Take a day's report instead of an earlier one; an earlier one changes nothing."""
    reports = [_report(event, data) for event, data in received]
    if SalesReport.objects.put_all(reports, key=("store", "day")):
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
