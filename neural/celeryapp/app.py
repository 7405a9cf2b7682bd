"""The Celery application of a project with a ledger: ``app = neural.LedgerCelery("chain")``."""

import importlib
import logging
import logging.config
import os
import signal
import sys
from collections import ChainMap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from logging.handlers import WatchedFileHandler
from typing import Any

from celery import Celery, current_app
from celery.app.amqp import AMQP, Queues
from celery.app.backends import by_url
from celery.signals import setup_logging, worker_process_init
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue
from kombu.utils.functional import maybe_list

from neural.broker.connections import RABBITMQ_HEARTBEAT_SECONDS, transport_options
from neural.celeryapp.groups import recorded_together, taking_plan
from neural.queues import DEFAULT_QUEUE, QUEUES, TASK_QUEUES

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"
CELERYS_OWN_QUEUE = "celery"


class LedgerCelery(Celery):
    """Celery with the ledger behind every entry point, configured as the ledger needs it.

    ``send_task`` and ``celery call`` record a ledger task first, ``revoke`` cancels its run,
    ``AsyncResult`` answers from the ledger whatever ``result_backend`` is named, and SIGTERM stops
    a worker softly. Django's settings are read (names that begin with ``CELERY_``), and the tasks
    of all installed apps are found. The project's own settings override every default.

    Create it in the project's ``celery.py``, before Django is set up; it takes the arguments of
    ``Celery``. Raises ImproperlyConfigured if DJANGO_SETTINGS_MODULE is not set.
    """

    records_together = True
    """The ledger tasks of a group are recorded together (:mod:`neural.celeryapp.groups`)."""
    control_cls = "neural.celeryapp.control:Control"
    amqp_cls = "neural.celeryapp.app:LedgerAMQP"
    # Celery's own attributes, which its type stubs leave out.
    namespace: str | None
    _config_source: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        _require_settings()
        stop_softly_on_sigterm()  # before parts of Celery have read what it sets
        super().__init__(*args, **options)

    def on_init(self) -> None:
        """Celery's hook at the end of its constructor."""
        if self._config_source is None:  # not an app that was copied into another process
            self.config_from_object("django.conf:settings", namespace=self.namespace or "CELERY")
        self.autodiscover_tasks()
        worker_process_init.connect(heed_sigquit, dispatch_uid="neural.heed_sigquit")

    def prepare_config(self, c: Any) -> Any:
        """Celery's hook between the project's settings and Celery's own defaults."""
        _log_as_django()
        return Completed(
            c,
            defaults=defaults(settings.INSTALLED_APPS),
            namespace=self.namespace,
            transport_options=self._transport_options,
        )

    def _transport_options(self) -> dict[str, Any]:
        return transport_options(
            self.conf.broker_url,
            prefetch_multiplier=self.conf.worker_prefetch_multiplier,
            time_limit=self.conf.task_time_limit,
        )

    def send_task(  # type: ignore[override]
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Like Celery's, but a ledger task is recorded first, as by its own ``apply_async``."""
        self._set_up()
        from neural.broker.message import RUN_HEADER  # these need the models
        from neural.ledger.work import WorkSource

        task: Any = self.tasks.get(name)
        is_on_ledger = isinstance(task, WorkSource)
        if RUN_HEADER in (options.get("headers") or {}) or not is_on_ledger:
            return super().send_task(name, args, kwargs, **options)
        return task.apply_async(args, kwargs, **options)

    @cached_property
    def GroupResult(self) -> Any:  # noqa: N802 (Celery's name)
        """The class of groups' results."""
        path: Any = "neural.celeryapp.groups:LedgerGroupResult"
        return self.subclass_with_self(path, name="GroupResult", reverse="GroupResult")

    @contextmanager
    def producer_or_acquire(  # type: ignore[override]
        self, producer: Any = None
    ) -> Iterator[Any]:
        """Like Celery's; the ledger tasks of a group that borrows it are recorded together."""
        lending = super().producer_or_acquire(producer)
        with taking_plan() as plan, lending as lent, recorded_together(lent, plan):
            yield lent

    def _get_backend(self) -> Any:
        """The result backend that is named, with the ledger's answers before its own."""
        self._set_up()
        from neural.celeryapp.results import answering  # needs the models

        found: Any = by_url(self.backend_cls or self.conf.result_backend, self.loader)
        backend, url = found
        return answering(backend)(app=self, url=url)

    def _set_up(self) -> None:
        """Set Django up and import the tasks, which `celery call` and `celery result` do not do."""
        if not apps.models_ready:
            self.loader.import_default_modules()


def _require_settings() -> None:
    if not os.environ.get(SETTINGS_VARIABLE):
        raise ImproperlyConfigured(
            f"{SETTINGS_VARIABLE} is not set: in the project's celery.py write "
            f'os.environ.setdefault("{SETTINGS_VARIABLE}", "<project>.settings") above the line '
            "that makes the LedgerCelery."
        )


def stop_softly_on_sigterm() -> None:
    """Make SIGTERM end a worker as SIGQUIT does.

    Running tasks get up to ``worker_soft_shutdown_timeout`` seconds, then the rest goes back to its
    queue. Celery's own SIGTERM waits for a running task without limit, until the supervisor kills
    it.

    billiard reads REMAP_SIGTERM when it is imported. The `celery` program imports it before it
    imports the project, together with modules that copy the signal's name. So billiard is reloaded,
    and the copies are updated: a pool process that ignores SIGTERM would be sent nothing else, and
    a stopping worker would still wait for its tasks.

    Tested with Celery 5.7.0, by `celery -A zhilian worker` and by `manage.py worker` alike: a task
    of 4 s ended and succeeded, one of 40 s was released, the process ended after 11.6 s with code
    0. While any task runs, the full 10 s pass, even when it ends sooner; an idle worker ends in 2
    s.
    """
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    billiard: Any = sys.modules.get("billiard.common")
    if billiard is None or "celery.apps.worker" in sys.modules:
        return
    importlib.reload(billiard)
    loaded: dict[str, Any] = dict(sys.modules)
    for name, module in loaded.items():
        if name.startswith("celery.") and "TERM_SIGNAME" in vars(module):
            module.TERM_SIGNAME = billiard.TERM_SIGNAME


def heed_sigquit(**_: Any) -> None:
    """Make a worker heed SIGQUIT again if it ignores it.

    A worker started with `&` in a script inherits that SIGQUIT is ignored. With the signals
    remapped, SIGQUIT is how the pool's processes are told to end.
    """
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def _log_as_django() -> None:
    """Make workers log as ``LOGGING`` says, if its root logger has handlers.

    Otherwise, and if the project listens to ``setup_logging`` itself, Celery decides: Django's own
    default would show nothing of a worker.
    """
    if settings.LOGGING.get("root", {}).get("handlers") and not setup_logging.receivers:
        setup_logging.connect(use_django_logging)


def use_django_logging(
    loglevel: int = logging.WARNING, logfile: str | None = None, **_: Any
) -> None:
    """Log as Django does, in web processes and workers alike.

    Celery's `--loglevel` is WARNING when it is not given, which would hide the ledger's lines. So
    WARNING means 'as LOGGING says', and only another level counts. With `--logfile`, what the root
    logger's handlers would write to the terminal goes to that file, and so does what tasks print: a
    worker that was detached has no terminal.
    """
    logging.config.dictConfig(settings.LOGGING)
    if loglevel != logging.WARNING:
        for name in (None, "neural", "django"):
            logging.getLogger(name).setLevel(loglevel)
    if logfile:
        root = logging.getLogger()
        root.handlers = [_into_the_file(handler, logfile) for handler in root.handlers]
        if current_app.conf.worker_redirect_stdouts:
            current_app.log.redirect_stdouts(current_app.conf.worker_redirect_stdouts_level)


def _into_the_file(handler: logging.Handler, logfile: str) -> logging.Handler:
    """A handler that writes to the file what this one would write to the terminal, as masked and
    filtered as there; any other handler is returned as it is."""
    if type(handler) is not logging.StreamHandler:
        return handler
    file = WatchedFileHandler(logfile, encoding="utf-8")
    file.setFormatter(handler.formatter)
    file.setLevel(handler.level)
    file.filters = handler.filters
    return file


# Settings

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


# Queues


class LedgerQueues(Queues):
    """The queues of an application, of which a worker may read undeclared ones besides."""

    _consume_from: dict[str, Queue] | None  # Celery's own, which its type stubs leave out

    def select(self, include: Any) -> None:
        """Read these queues alone. Raises KeyError for one that is undeclared and empty."""
        names = list(maybe_list(include) or ())
        undeclared = readable([name for name in names if name not in self])
        super().select([name for name in names if name not in undeclared])
        if undeclared:
            self._consume_from = {**(self._consume_from or {}), **undeclared}


class LedgerAMQP(AMQP):
    """Celery's ``app.amqp`` with :class:`LedgerQueues`."""

    queues_cls = LedgerQueues


def readable(names: Sequence[str]) -> Mapping[str, Queue]:
    """Those of these undeclared queues that a worker may read: Celery's own, also while it is
    empty, and any that holds messages. An empty queue of another name is taken for a typing error.
    """
    if not names:
        return {}
    # Needs the models: `celery control` asks for an app's queues before Django is set up.
    from neural.broker.publisher import BrokerUnavailable, publisher

    try:
        waiting = publisher().depths(names)
    except BrokerUnavailable:
        waiting = {}
    return {name: _queue(name) for name in names if waiting.get(name) or name == CELERYS_OWN_QUEUE}


def _queue(name: str) -> Queue:
    # One that holds messages exists, perhaps with arguments of its own.
    may_declare = name == CELERYS_OWN_QUEUE
    return Queue(name, Exchange(name), routing_key=name, no_declare=not may_declare)
