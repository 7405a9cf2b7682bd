"""Queues and priorities. Pure: no Django, no Celery.

For callers 10 is most urgent. The broker is never told a priority: on Redis 0 is most
urgent and a priority splits a queue into four lists of which the last may starve. What
is urgent has a queue of its own; within a queue the ledger orders by priority.
"""

HIGH_PRIORITY_QUEUE = "high_priority"
DEFAULT_QUEUE = "default"
LOW_PRIORITY_QUEUE = "low_priority"
QUEUES = (HIGH_PRIORITY_QUEUE, DEFAULT_QUEUE, LOW_PRIORITY_QUEUE)

PRIORITIES = range(1, 11)
HIGH_PRIORITY = 10
DEFAULT_PRIORITY = 5
LOW_PRIORITY = 1
