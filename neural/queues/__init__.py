"""Queues and priorities: their names, and those of each task. Imports no Django and no Celery.

Priority 10 is most urgent. Messages carry no priority to the broker: on Redis, 0 is most urgent,
and priorities split a queue into four lists of which the last may starve. Urgent work has a queue
of its own instead, and the ledger orders the runs of a queue by priority.
"""

HIGH_PRIORITY_QUEUE = "high_priority"
DEFAULT_QUEUE = "default"
LOW_PRIORITY_QUEUE = "low_priority"
QUEUES = (HIGH_PRIORITY_QUEUE, DEFAULT_QUEUE, LOW_PRIORITY_QUEUE)

PRIORITIES = range(1, 11)
HIGH_PRIORITY = 10
DEFAULT_PRIORITY = 5
LOW_PRIORITY = 1

TASK_QUEUES = {
    "neural.tasks.index_to_vector_db": (DEFAULT_QUEUE, DEFAULT_PRIORITY),
    "neural.tasks.index_marked": (DEFAULT_QUEUE, DEFAULT_PRIORITY),
    "neural.tasks.train_federated_model": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.run_federated_round": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.answer_training_exchange": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.advance_training_round": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.make_forecasts": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.batch_index_orders": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.rebuild_search_index": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.tend_search_indexes": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.analyse_demand": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
    "neural.tasks.act_on_runs": (DEFAULT_QUEUE, DEFAULT_PRIORITY),
    "neural.tasks.prune_old_rows": (LOW_PRIORITY_QUEUE, LOW_PRIORITY),
}
"""Queue and priority of tasks by name, also for callers that do not have the task's code."""


def queue_of(task: str) -> str | None:
    """The queue of a task in :data:`TASK_QUEUES`, or None."""
    return TASK_QUEUES[task][0] if task in TASK_QUEUES else None


def priority_of(task: str) -> int:
    """The priority of a task in :data:`TASK_QUEUES`, or the default priority."""
    return TASK_QUEUES[task][1] if task in TASK_QUEUES else DEFAULT_PRIORITY
