"""The Celery settings that the ledger's guarantees need, each with its system check.

A project chooses its own numbers. A check reports only what was left at Celery's default, or what
no choice explains.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, NamedTuple

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage
from kombu.utils.imports import symbol_by_name

from neural.broker.transports import is_rabbitmq, is_redis
from neural.celeryapp.defaults import LEDGER_SCHEDULER

HEARTBEAT_CAP_SECONDS = 60
RESTORE_CAP_SECONDS = 60
SOCKET_TIMEOUTS = ("socket_timeout", "socket_connect_timeout", "health_check_interval")


class Expectation(NamedTuple):
    """What one setting of Celery must be."""

    id: str
    setting: str
    holds: Callable[[Any], bool]
    """Called with the configuration in force; returns whether the setting is right."""
    trouble: str
    remedy: str
    """The value to set, or words."""

    def unmet(self, conf: Any) -> Iterator[CheckMessage]:
        if not self.holds(conf):
            name = f"CELERY_{self.setting.upper()}"
            hint = f"Set {name} = {self.remedy}, or make the application a neural.LedgerCelery."
            value = conf.get(self.setting)
            yield checks.Warning(f"{name} is {value!r}: {self.trouble}", hint=hint, id=self.id)


def _redis_option(name: str) -> Callable[[Any], bool]:
    return lambda conf: not is_redis(conf.broker_url) or bool(_option(conf, name))


def _option(conf: Any, name: str, default: Any = None) -> Any:
    return (conf.broker_transport_options or {}).get(name, default)


def _restores_soon(conf: Any) -> bool:
    """Whether kombu looks soon enough for messages that nobody acknowledged.

    It looks for them every interval × throttle seconds.
    """
    interval = _option(conf, "unacked_restore_interval", 10)
    return not is_redis(conf.broker_url) or (
        interval * _option(conf, "unacked_restore_throttle", 10) <= RESTORE_CAP_SECONDS
    )


def _has_soft_limit(conf: Any) -> bool:
    soft, hard = conf.task_soft_time_limit, conf.task_time_limit
    return bool(soft) and (not hard or soft < hard)


def _beat_records(conf: Any) -> bool:
    is_the_default = conf.beat_scheduler == LEDGER_SCHEDULER  # no need to load beat
    if is_the_default or not apps.is_installed("django_celery_beat"):
        return True
    beat: Any = import_module("neural.celeryapp.beat")  # only where django-celery-beat is there
    return issubclass(symbol_by_name(conf.beat_scheduler), beat.LedgerScheduler)


OPTIONS = "broker_transport_options"
EXPECTATIONS = (
    Expectation(
        "neural.W106",
        "task_always_eager",
        lambda conf: not conf.task_always_eager,
        "plain tasks run inside of whoever calls them, and what follows a run, too; ledger tasks "
        "are recorded all the same. A test calls neural.run_due()",
        "False",
    ),
    Expectation(
        "neural.W109",
        "task_create_missing_queues",
        lambda conf: not conf.task_create_missing_queues,
        "a mistyped queue would be a new one that no worker reads",
        "False",
    ),
    Expectation(
        "neural.W111",
        "broker_url",
        lambda conf: bool(conf.broker_url),
        "Celery takes a RabbitMQ on this machine for the broker",
        '"redis://…/1" or "amqp://…"',
    ),
    Expectation(
        "neural.W112",
        "broker_connection_retry_on_startup",
        lambda conf: bool(conf.broker_connection_retry_on_startup),
        "a worker that starts while the broker is away may end at once",
        "True",
    ),
    Expectation(
        "neural.W113",
        "broker_connection_max_retries",
        lambda conf: not conf.broker_connection_max_retries,
        "a worker ends when the broker is away for longer than so many attempts",
        "None",
    ),
    Expectation(
        "neural.W114",
        OPTIONS,
        lambda conf: all(_redis_option(name)(conf) for name in SOCKET_TIMEOUTS),
        f"without {', '.join(SOCKET_TIMEOUTS)} a frozen Redis blocks workers for good",
        '{"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 5, …}',
    ),
    Expectation(
        "neural.W115",
        OPTIONS,
        _restores_soon,
        "a message that a dead worker held comes back late: Redis looks for such every "
        "unacked_restore_interval times unacked_restore_throttle seconds",
        '{"unacked_restore_interval": 10, "unacked_restore_throttle": 1, …}',
    ),
    Expectation(
        "neural.W116",
        OPTIONS,
        lambda conf: (
            not is_redis(conf.broker_url)
            or _option(conf, "queue_order_strategy", "round_robin") == "round_robin"
        ),
        "a queue that comes after a full one starves",
        '{"queue_order_strategy": "round_robin", …}',
    ),
    Expectation(
        "neural.W117",
        OPTIONS,
        lambda conf: not is_rabbitmq(conf.broker_url) or _option(conf, "confirm_publish") is True,
        "a message is gone when the connection breaks behind it",
        '{"confirm_publish": True}',
    ),
    Expectation(
        "neural.W118",
        "broker_heartbeat",
        lambda conf: (
            not is_rabbitmq(conf.broker_url)
            or 0 < (conf.broker_heartbeat or 0) <= HEARTBEAT_CAP_SECONDS
        ),
        "a frozen RabbitMQ stays unnoticed for so long, or for good",
        "10",
    ),
    Expectation(
        "neural.W119",
        "accept_content",
        lambda conf: "json" in conf.accept_content and "pickle" not in conf.accept_content,
        "messages of the ledger are JSON, and a pickle is code from whoever reaches the broker",
        '["json"]',
    ),
    Expectation(
        "neural.W120",
        "worker_prefetch_multiplier",
        lambda conf: (
            conf.value_set_for("worker_prefetch_multiplier")
            and (conf.worker_prefetch_multiplier or 0) > 0
        ),
        "an urgent message waits in a worker behind all that it has taken (0: the whole queue)",
        "1",
    ),
    Expectation(
        "neural.W121",
        "task_time_limit",
        lambda conf: bool(conf.task_time_limit),
        "a task that hangs holds its worker for good",
        "300",
    ),
    Expectation(
        "neural.W122",
        "task_soft_time_limit",
        _has_soft_limit,
        "a task that takes too long would not fail but lose its process, at the hard limit",
        "240",
    ),
    Expectation(
        "neural.W123",
        "worker_soft_shutdown_timeout",
        lambda conf: (conf.worker_soft_shutdown_timeout or 0) > 0,
        "SIGTERM breaks tasks off instead of leaving them some seconds",
        "10",
    ),
    Expectation(
        "neural.W124",
        "db_reuse_max",
        lambda conf: bool(conf.get("CELERY_DB_REUSE_MAX")),
        "Celery opens a database connection for every task: two to four times fewer a second",
        "1000",
    ),
    Expectation(
        "neural.W125",
        "worker_cancel_long_running_tasks_on_connection_loss",
        lambda conf: not conf.worker_cancel_long_running_tasks_on_connection_loss,
        "a broker that goes away ends the tasks at work, whose outcome does not need it",
        "False",
    ),
    Expectation(
        "neural.W126",
        "beat_scheduler",
        _beat_records,
        "a schedule's moment may be lost with the broker, and two beats do everything twice",
        '"neural.celeryapp.beat:LedgerScheduler"',
    ),
)
