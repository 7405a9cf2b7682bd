"""The Celery application of a project with a ledger: ``app = neural.LedgerCelery("chain")``."""

import importlib
import logging
import logging.config
import os
import signal
import sys
from logging.handlers import WatchedFileHandler
from typing import Any

from celery import Celery, current_app
from celery.app.backends import by_url
from celery.signals import setup_logging, worker_process_init
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from neural.broker.transports import transport_options
from neural.celeryapp.defaults import Completed, defaults

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"


class LedgerCelery(Celery):
    """Celery with the ledger behind every entry point, configured as the ledger needs it.

    ``send_task`` and ``celery call`` record a ledger task first, ``revoke`` cancels its run,
    ``AsyncResult`` answers from the ledger whatever ``result_backend`` is named, and SIGTERM stops
    a worker softly. Django's settings are read (names that begin with ``CELERY_``), and the tasks
    of all installed apps are found. The project's own settings override every default.

    Create it in the project's ``celery.py``, before Django is set up; it takes the arguments of
    ``Celery``. Raises ImproperlyConfigured if DJANGO_SETTINGS_MODULE is not set.
    """

    control_cls = "neural.celeryapp.control:Control"
    amqp_cls = "neural.celeryapp.undeclared_queues:LedgerAMQP"
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
