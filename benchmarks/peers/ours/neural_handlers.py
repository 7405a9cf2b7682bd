"""The peers' task as a handler: atomic, with one upsert."""

from benchmarks.peers.work import add_demand
from neural import EventType, handles, register_event_type
from neural.models import NeuralEvent
from neural.restaurant.schemas import SalesReportPayload

register_event_type(EventType(name="peers.reported", schema=SalesReportPayload))


@handles("peers.reported")
def add_to_demand(event: NeuralEvent, data: SalesReportPayload) -> None:
    """Add a day's report to the demand."""
    lines = [(line.dish_code, line.quantity) for line in data.lines]
    add_demand(event.store_id, data.day, lines)
