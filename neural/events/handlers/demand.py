"""A store's own report of what it sold on a day."""

from neural.events.demand import DEMAND
from neural.events.registry import handles
from neural.events.schemas import SalesReportPayload
from neural.models import NeuralEvent, SalesReport
from neural.models.newest import version_of


@handles("sales.reported")
def record_sales(event: NeuralEvent, data: SalesReportPayload) -> None:
    """Take a day's report instead of an earlier one; an earlier one changes nothing."""
    newest = SalesReport.objects.put(
        key={"store": event.store, "day": data.day},
        version=version_of(event),
        values={"lines": _lines(data), "context": data.model_extra or {}},
    )
    if newest:
        DEMAND.ask({(event.store_id, data.day)})


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
