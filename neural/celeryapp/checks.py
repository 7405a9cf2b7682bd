"""System checks of the Celery application.

They report what `neural.LedgerCelery` sets up and a plain application may lack;
docs/reference/settings.md has a table of them. An application is free to set what it likes. A check
reports only what would break a guarantee of the ledger.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from celery import current_app
from celery.app.backends import by_url
from celery.app.routes import MapRoute
from celery.app.trace import task_has_custom
from celery.loaders.default import Loader as FallbackLoader
from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, register
from kombu.utils.imports import symbol_by_name

from neural.broker.connections import is_rabbitmq, is_redis
from neural.celeryapp.app import LEDGER_SCHEDULER, TRANSPORT_OPTIONS, LedgerCelery
from neural.celeryapp.call import INSTEAD, CalledTask, not_kept
from neural.celeryapp.task import is_async
from neural.events.registry import HANDLERS
from neural.ledger.work import WorkSource
from neural.queues import QUEUES

HEARTBEAT_CAP_SECONDS = 60
RESTORE_CAP_SECONDS = 60
JSON = {"json", "application/json"}
PICKLE = {"pickle", "application/x-python-serialize"}
SOCKET_TIMEOUTS = ("socket_timeout", "socket_connect_timeout", "health_check_interval")


@register("neural")
def check_celery(**_: Any) -> list[CheckMessage]:
    """The Celery application of this process keeps the ledger's guarantees."""
    current: Any = current_app
    return findings(current._get_current_object())


def findings(app: Any) -> list[CheckMessage]:
    """The check messages for an application."""
    if isinstance(app.loader, FallbackLoader):  # Celery's stand-in if nobody created one
        return [_not_imported()]
    # Not import_default_modules, with which a worker runs all checks.
    app.autodiscover_tasks(force=True)
    settings = (found for each in EXPECTATIONS for found in each.unmet(app))
    return [
        *_entry_points(app),
        *_stopping(),
        *_queues(app),
        *_undeclared_queues(app),
        *_bodies_that_never_run(app),
        *_options_not_kept(app),
        *settings,
    ]


def _not_imported() -> CheckMessage:
    return checks.Warning(
        "no Celery application is there: what is submitted would be published nowhere",
        hint='Write `app = neural.LedgerCelery("<project>")` into the project\'s celery.py, and '
        "`from .celery import app as celery_app` into its __init__.py "
        "(docs/how-to/own-project.md).",
        id="neural.W101",
    )


def _entry_points(app: Any) -> Iterator[CheckMessage]:
    if isinstance(app, LedgerCelery):
        return
    hint = "Make the application a neural.LedgerCelery (docs/how-to/own-project.md)"
    yield checks.Warning(
        f"the Celery application {app.main!r} is no LedgerCelery: send_task and `celery call` "
        "record nothing, their messages may be lost",
        hint=f"{hint}, or call the task's own apply_async.",
        id="neural.W102",
    )
    control: Any = import_module("neural.celeryapp.control")  # this imports worker modules
    if not isinstance(app.control, control.Control):
        yield checks.Warning(
            "revoke() of a ledger task would leave its run pending",
            hint=f'{hint}, or give Celery(…) control="neural.celeryapp.control:Control".',
            id="neural.W103",
        )
    if not _answers_from_the_ledger(app):
        yield checks.Warning(
            f"the result backend {app.conf.result_backend!r} knows nothing of the ledger: "
            "AsyncResult(…).state of a ledger task would be wrong or raise an error",
            hint=f"{hint}, or set CELERY_RESULT_BACKEND to a class of neural.celeryapp.results.",
            id="neural.W104",
        )


def _answers_from_the_ledger(app: Any) -> bool:
    results: Any = import_module("neural.celeryapp.results")  # needs the models
    found: Any = by_url(app.backend_cls or app.conf.result_backend, app.loader)
    return issubclass(found[0], results.LedgerResults)


def _stopping() -> Iterator[CheckMessage]:
    billiard: Any = import_module("billiard.common")  # as read in this process
    if billiard.REMAP_SIGTERM != "SIGQUIT":
        yield checks.Warning(
            "SIGTERM would not stop a worker softly: Celery waits for its tasks without limit, "
            "until something kills it",
            hint="Make the application a neural.LedgerCelery, or set REMAP_SIGTERM=SIGQUIT in the "
            "environment of every worker, before Celery is imported.",
            id="neural.W105",
        )


def _queues(app: Any) -> Iterator[CheckMessage]:
    queues = app.amqp.queues
    for names in _bound_alike(queues.values()):
        yield checks.Warning(
            f"the queues {', '.join(names)} have one exchange and routing key: each message "
            "would run once for each of them",
            hint="Give each its own: Queue(name, Exchange(name), routing_key=name).",
            id="neural.W107",
        )
    missing = [name for name in QUEUES if name not in queues]
    if missing:
        yield checks.Warning(
            f"there is no queue {', '.join(missing)}: no worker would read it",
            hint="Name it in CELERY_TASK_QUEUES, beside your own, or leave that setting out.",
            id="neural.W108",
        )
    if app.conf.task_default_queue not in queues:
        yield checks.Warning(
            f"CELERY_TASK_DEFAULT_QUEUE is {app.conf.task_default_queue!r}, which is no queue",
            hint='Set CELERY_TASK_DEFAULT_QUEUE = "default".',
            id="neural.W110",
        )


def _undeclared_queues(app: Any) -> Iterator[CheckMessage]:
    queues = app.amqp.queues
    if app.conf.task_create_missing_queues:
        return  # neural.W109 says so
    handlers = [(f"the handler {each.name}", each.queue) for each in HANDLERS if each.queue]
    asked = [*_routed(app.amqp.router.routes), *_named_by_tasks(app.tasks.values()), *handlers]
    missing = {queue: who for who, queue in reversed(asked) if queue not in (*queues, *QUEUES)}
    for queue, who in sorted(missing.items()):
        yield checks.Error(
            f"{who} names the queue {queue!r}, which is not declared: each call would raise an "
            "error",
            hint=f"Correct the name, or declare it: {_declaration(sorted(missing), queues)}",
            id="neural.E105",
        )


def _routed(routes: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """Who names which queue in CELERY_TASK_ROUTES. A function's answer depends on the call."""
    for route in routes:
        if isinstance(route, MapRoute):
            for name, target in [*vars(route)["map"].items(), *vars(route)["patterns"].items()]:
                queue = target if isinstance(target, str) else dict(target).get("queue")
                if isinstance(queue, str):
                    yield f"CELERY_TASK_ROUTES[{getattr(name, 'pattern', name)!r}]", queue


def _named_by_tasks(tasks: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for task in tasks:
        queue = getattr(task, "run_queue", None) or getattr(task, "queue", None)
        if isinstance(queue, str):
            yield f"the task {task.name}", queue


def _declaration(missing: Sequence[str], queues: Iterable[str]) -> str:
    """The line of the settings that declares all queues which are missing."""
    if set(queues) != set(QUEUES):  # the project has declared some of its own
        made = (f"Queue({name!r}, Exchange({name!r}), routing_key={name!r})" for name in missing)
        return f"add {', '.join(made)} to CELERY_TASK_QUEUES"
    return (
        "CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in "
        f"{(*QUEUES, *missing)}]  # from kombu import Exchange, Queue"
    )


def _bodies_that_never_run(app: Any) -> Iterator[CheckMessage]:
    for name, task in sorted(app.tasks.items()):
        called = isinstance(task, WorkSource) or task_has_custom(task, "__call__")
        if not called and is_async(task):
            yield checks.Warning(
                f"the task {name} is a plain `async def`: Celery makes its coroutine, counts it "
                "as succeeded, and never runs its body",
                hint="Give it base=neural.LedgerTask, or make it a `def` that calls asyncio.run().",
                id="neural.W127",
            )


def _options_not_kept(app: Any) -> Iterator[CheckMessage]:
    for name, task in sorted(app.tasks.items()):
        if not isinstance(task, CalledTask):
            continue
        declared = {each: each for each in ("exchange", "routing_key") if getattr(task, each, None)}
        routes = (each(name) for each in app.amqp.router.routes if isinstance(each, MapRoute))
        schedules = (each for each in app.conf.beat_schedule.values() if each.get("task") == name)
        for who, options in (
            (f"the task {name}", declared),
            (f"CELERY_TASK_ROUTES for {name}", next(filter(None, routes), {})),
            *((f"the schedule of {name}", each.get("options") or {}) for each in schedules),
        ):
            if unknown := not_kept(options):
                yield checks.Warning(
                    f"{who} sets {', '.join(unknown)}, which the ledger does not keep",
                    hint=f"{INSTEAD[0].upper()}{INSTEAD[1:]}.",
                    id="neural.W128",
                )


def _bound_alike(queues: Iterable[Any]) -> list[Sequence[str]]:
    found = defaultdict(list)
    for queue in queues:
        found[queue.exchange.name, queue.routing_key].append(queue.name)
    return [names for names in found.values() if len(names) > 1]


# Settings


class Expectation(NamedTuple):
    """What one setting of Celery must be."""

    id: str
    setting: str
    holds: Callable[[Any], bool]
    """Called with the configuration in force; returns whether the setting is right."""
    trouble: str
    remedy: str
    """The value to set, or words."""

    def unmet(self, app: Any) -> Iterator[CheckMessage]:
        if not self.holds(app.conf):
            name = f"CELERY_{self.setting.upper()}"
            hint = f"Set {name} = {self.remedy}"
            if not isinstance(app, LedgerCelery):
                hint += ", or make the application a neural.LedgerCelery"
            value = app.conf.get(self.setting)
            yield checks.Warning(
                f"{name} is {value!r}: {self.trouble}", hint=f"{hint}.", id=self.id
            )


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
        TRANSPORT_OPTIONS,
        lambda conf: all(_redis_option(name)(conf) for name in SOCKET_TIMEOUTS),
        f"without {', '.join(SOCKET_TIMEOUTS)} a frozen Redis blocks workers for good",
        '{"socket_timeout": 5, "socket_connect_timeout": 2, "health_check_interval": 5, …}',
    ),
    Expectation(
        "neural.W115",
        TRANSPORT_OPTIONS,
        _restores_soon,
        "a message that a dead worker held comes back late: Redis looks for such every "
        "unacked_restore_interval times unacked_restore_throttle seconds",
        '{"unacked_restore_interval": 10, "unacked_restore_throttle": 1, …}',
    ),
    Expectation(
        "neural.W116",
        TRANSPORT_OPTIONS,
        lambda conf: (
            not is_redis(conf.broker_url)
            or _option(conf, "queue_order_strategy", "round_robin") == "round_robin"
        ),
        "a queue that comes after a full one starves",
        '{"queue_order_strategy": "round_robin", …}',
    ),
    Expectation(
        "neural.W117",
        TRANSPORT_OPTIONS,
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
        lambda conf: bool(JSON & {*conf.accept_content}) and not PICKLE & {*conf.accept_content},
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
