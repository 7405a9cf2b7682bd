"""System checks of the Celery application.

They report what `neural.LedgerCelery` sets up and a plain application may lack; docs/settings.md
has a table of them. An application is free to set what it likes. A check reports only what would
break a guarantee of the ledger.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any

from celery import current_app
from celery.app.backends import by_url
from celery.app.routes import MapRoute
from celery.app.trace import task_has_custom
from celery.loaders.default import Loader as FallbackLoader
from django.core import checks
from django.core.checks import CheckMessage, register

from neural.celeryapp.app import LedgerCelery
from neural.celeryapp.expectations import EXPECTATIONS
from neural.celeryapp.task import is_async
from neural.ledger.work import WorkSource
from neural.queues import QUEUES


@register()
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
    settings = (found for each in EXPECTATIONS for found in each.unmet(app.conf))
    return [
        *_entry_points(app),
        *_stopping(),
        *_queues(app),
        *_undeclared_queues(app),
        *_bodies_that_never_run(app),
        *settings,
    ]


def _not_imported() -> CheckMessage:
    return checks.Warning(
        "no Celery application is there: what is submitted would be published nowhere",
        hint='Write `app = neural.LedgerCelery("<project>")` into the project\'s celery.py, and '
        "`from .celery import app as celery_app` into its __init__.py (README, Put it in your "
        "own Django project).",
        id="neural.W101",
    )


def _entry_points(app: Any) -> Iterator[CheckMessage]:
    if isinstance(app, LedgerCelery):
        return
    hint = "Make the application a neural.LedgerCelery (README)"
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
    asked = [*_routed(app.amqp.router.routes), *_named_by_tasks(app.tasks.values())]
    missing = {queue: who for who, queue in reversed(asked) if queue not in (*queues, *QUEUES)}
    for queue, who in sorted(missing.items()):
        yield checks.Error(
            f"{who} names the queue {queue!r}, which is not declared: each call would raise an "
            "error",
            hint=f"Correct the name, or declare it: {_declaration(queue, queues)}",
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


def _declaration(queue: str, queues: Iterable[str]) -> str:
    """The line of the settings that declares a queue."""
    if set(queues) != set(QUEUES):  # the project has declared some of its own
        made = f"Queue({queue!r}, Exchange({queue!r}), routing_key={queue!r})"
        return f"add {made} to CELERY_TASK_QUEUES"
    return (
        "CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in "
        f"{(*QUEUES, queue)}]  # from kombu import Exchange, Queue"
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


def _bound_alike(queues: Iterable[Any]) -> list[Sequence[str]]:
    found = defaultdict(list)
    for queue in queues:
        found[queue.exchange.name, queue.routing_key].append(queue.name)
    return [names for names in found.values() if len(names) > 1]
