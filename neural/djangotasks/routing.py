"""Where a Django task goes: its queue and priority in the ledger's terms. Pure: no Django."""

from collections.abc import Mapping

from neural.queues import (
    DEFAULT_PRIORITY,
    DEFAULT_QUEUE,
    HIGH_PRIORITY,
    HIGH_PRIORITY_QUEUE,
    LOW_PRIORITY,
    LOW_PRIORITY_QUEUE,
)

MOST = 100
"""Django's priorities go from -100 to 100, and 0 is ordinary."""
URGENT = 50
"""From here on, and below its negative, a task of the default queue leaves it: messages of one
queue come in the order in which they were sent, so only a queue of its own passes a backlog."""


def queue_for(name: str, priority: int, queues: Mapping[str, str]) -> str:
    """The ledger's queue of a task: what ``queues`` says, else the queue of that name; for the
    default queue the priority decides."""
    if name in queues:
        return queues[name]
    if name == DEFAULT_QUEUE and priority >= URGENT:
        return HIGH_PRIORITY_QUEUE
    if name == DEFAULT_QUEUE and priority <= -URGENT:
        return LOW_PRIORITY_QUEUE
    return name


def ledger_priority(priority: int) -> int:
    """-100 to 100 as 1 to 10, with 0 as 5: the order is kept, near priorities become one."""
    span = HIGH_PRIORITY - DEFAULT_PRIORITY if priority > 0 else DEFAULT_PRIORITY - LOW_PRIORITY
    return DEFAULT_PRIORITY + round(priority * span / MOST)
