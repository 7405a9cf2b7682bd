"""Event types whose handlers take a known time and do nothing else, or do the peers' task."""

import asyncio
import time

from benchmarks.peers.work import add_demand
from neural import EventType, handles, register_event_type
from neural.events.schema import Payload
from neural.models import NeuralEvent
from neural.queues import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE
from neural.restaurant.schemas import SalesReportPayload


class Milliseconds(Payload):
    milliseconds: int = 0


register_event_type(
    EventType(name="bench.urgent", schema=Milliseconds, queue=HIGH_PRIORITY_QUEUE, priority=10)
)
register_event_type(
    EventType(name="bench.low", schema=Milliseconds, queue=LOW_PRIORITY_QUEUE, priority=1)
)


@handles("bench.urgent", "bench.low")
def take_time(event: object, data: Milliseconds) -> None:
    time.sleep(data.milliseconds / 1000)


register_event_type(EventType(name="bench.waiting", schema=Milliseconds, queue="waiting"))


@handles("bench.waiting")
async def wait(event: object, data: Milliseconds) -> None:
    """Waits, as for the answer of another server."""
    await asyncio.sleep(data.milliseconds / 1000)


register_event_type(EventType(name="peers.reported", schema=SalesReportPayload))


@handles("peers.reported")
def add_to_demand(event: NeuralEvent, data: SalesReportPayload) -> None:
    """Add a day's report to the demand."""
    lines = [(line.dish_code, line.quantity) for line in data.lines]
    add_demand(event.store_id, data.day, lines)
