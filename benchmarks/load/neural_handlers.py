"""Event types whose handlers take a known time and do nothing else."""

import time

from neural import EventType, handles, register_event_type
from neural.events.schema import Payload
from neural.queues import HIGH_PRIORITY_QUEUE, LOW_PRIORITY_QUEUE


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
