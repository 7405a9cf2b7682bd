"""Celery settings that the ledger relies on, as `neural.LedgerCelery` sets them.

docs/settings.md says for each what happens without it.
"""

from collections import ChainMap
from collections.abc import Callable, Collection, Mapping
from typing import Any

from kombu import Exchange, Queue

from neural.broker.transports import RABBITMQ_HEARTBEAT_SECONDS
from neural.queues import DEFAULT_QUEUE, QUEUES, TASK_QUEUES

TRANSPORT_OPTIONS = "broker_transport_options"
LEDGER_SCHEDULER = "neural.celeryapp.beat:LedgerScheduler"

QUEUE_SETTINGS: Mapping[str, Any] = {
    "task_default_queue": DEFAULT_QUEUE,
    # Queues by task name, so a task sent by its name alone goes to the right queue.
    "task_routes": {name: {"queue": queue} for name, (queue, _priority) in TASK_QUEUES.items()},
    # A mistyped queue name is an error, not a new queue that no worker reads.
    "task_create_missing_queues": False,
}
BROKER_SETTINGS: Mapping[str, Any] = {
    "broker_heartbeat": RABBITMQ_HEARTBEAT_SECONDS,  # Redis has none
    "broker_connection_retry_on_startup": True,
    # None: for ever. The broker may be down for longer than Celery's hundred attempts.
    "broker_connection_max_retries": None,
    # JSON only: a pickle from the broker would be code from anyone who reaches it.
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_publish_retry": True,
    # One more quick attempt; after that, the relay publishes. (Turning retries off is slower, not
    # faster: the second call after a lost connection then takes 6 s.)
    "task_publish_retry_policy": {
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0.1,
        "interval_max": 0.1,
    },
}
WORKER_SETTINGS: Mapping[str, Any] = {
    # Late acknowledgement and a prefetch of 1: the messages of a dead worker come back, and an
    # urgent message waits behind one task at most.
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "task_soft_time_limit": 240,
    "task_time_limit": 300,
    # SIGTERM gives running tasks this many seconds, then releases what is left.
    "worker_soft_shutdown_timeout": 10,
    # A task outlives a lost broker connection; its outcome is in the database either way.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    # Celery closes the database connection around every task unless this setting says how often to
    # keep it. Without it, a worker does two to four times fewer tasks a second.
    "CELERY_DB_REUSE_MAX": 1000,
}


def defaults(installed_apps: Collection[str]) -> dict[str, Any]:
    """The settings for a project with these installed apps, by Celery's own names for them."""
    apps = {name.partition(".")[0] for name in installed_apps}
    found = {**QUEUE_SETTINGS, **BROKER_SETTINGS, **WORKER_SETTINGS, TRANSPORT_OPTIONS: {}}
    # Each queue has its own exchange: `Queue(name)` alone binds to the default exchange, and a
    # message sent there runs once for each queue. Urgency is the choice of queue, never a message's
    # priority, which on Redis is upside down (0 is most urgent) and outranks the queue.
    found["task_queues"] = [Queue(name, Exchange(name), routing_key=name) for name in QUEUES]
    if "django_celery_results" in apps:  # for plain tasks; the ledger answers for its own
        found["result_backend"] = "django-db"
    if "django_celery_beat" in apps:
        found["beat_scheduler"] = LEDGER_SCHEDULER
    return found


class Completed(ChainMap[str, Any]):
    """The project's settings, completed by defaults.

    Each setting replaces its default as a whole. The transport options are merged one by one, so a
    project may change one of them.
    """

    def __init__(
        self,
        project: Any,
        *,
        defaults: dict[str, Any],
        namespace: str | None,
        transport_options: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(project, defaults)
        prefix = f"{namespace.rstrip('_')}_" if namespace else ""
        self._options_keys = {TRANSPORT_OPTIONS, f"{prefix}{TRANSPORT_OPTIONS}".upper()}
        # Computed at each access: they depend on other settings, which a test may change.
        self._transport_options = transport_options

    def __getitem__(self, key: str) -> Any:
        found = super().__getitem__(key)
        if key not in self._options_keys:
            return found
        return {**self._transport_options(), **(found or {})}
