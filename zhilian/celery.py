"""The Celery application: `celery -A zhilian worker`."""

import importlib
import logging.config
import os
import signal
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "zhilian.settings")
# Wherever it is started; Flower alone would look in the current directory.
os.environ.setdefault("FLOWER_CONF", str(Path(__file__).with_name("flowerconfig.py")))


def _stop_softly_on_sigterm() -> None:
    """Make SIGTERM end a worker as SIGQUIT does: up to `worker_soft_shutdown_timeout`
    seconds for running tasks, then the rest goes back to its queue. Celery's own SIGTERM
    waits for a running task without limit, until the supervisor kills it.

    billiard reads REMAP_SIGTERM when it is imported, and the `celery` program imports it
    before it imports this module. Nothing has copied its values at that point (they are
    copied by celery.apps.worker and the pool), so reading it again is enough.

    Done with Celery 5.7.0, by `celery -A zhilian worker` and by `manage.py worker` alike: a
    task of 4 s ended and succeeded, one of 40 s was handed back, the process ended after
    11.6 s with code 0. While any task runs the full 10 s are waited, even when it ends
    sooner; an idle worker ends in 2 s.
    """
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    billiard = sys.modules.get("billiard.common")
    if billiard is not None and "celery.apps.worker" not in sys.modules:
        importlib.reload(billiard)


_stop_softly_on_sigterm()

from celery import Celery  # noqa: E402
from celery.signals import setup_logging, worker_process_init  # noqa: E402


class Application(Celery):
    """Celery with the ledger behind every door."""

    def send_task(  # type: ignore[override]
        self, name: str, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """As Celery's, but a ledger task is recorded first, as by its own ``apply_async``."""
        self._set_up()
        from neural.runs.messages import RUN_HEADER
        from neural.runs.work import WorkSource

        task: Any = self.tasks.get(name)
        is_on_ledger = isinstance(task, WorkSource)
        if RUN_HEADER in (options.get("headers") or {}) or not is_on_ledger:
            return super().send_task(name, args, kwargs, **options)
        return task.apply_async(args, kwargs, **options)

    def _get_backend(self) -> Any:
        """The result backend of the settings. Celery itself lets the variable
        CELERY_RESULT_BACKEND overrule them, which knows nothing of the ledger."""
        from django.conf import settings

        self._set_up()
        self.backend_cls = settings.CELERY_RESULT_BACKEND
        return super()._get_backend()  # type: ignore[misc]

    def _set_up(self) -> None:
        """`celery call` and `celery result` do not set Django up, nor look for tasks."""
        from django.apps import apps

        if not apps.models_ready:
            self.loader.import_default_modules()


app = Application("zhilian", control="neural.runs.control:Control")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect
def heed_sigquit(**kwargs: Any) -> None:
    """A worker started with `&` in a script inherits that SIGQUIT is ignored, and with the
    signals remapped that is how the pool's processes are told to end."""
    if signal.getsignal(signal.SIGQUIT) == signal.SIG_IGN:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@setup_logging.connect
def use_django_logging(loglevel: int = logging.WARNING, **kwargs: Any) -> None:
    """Log as Django does, in web and workers alike.

    Celery's `--loglevel` is WARNING when it was not given, which would hide the ledger's
    lines; so WARNING means 'as ZHILIAN_LOG_LEVEL says', and only another level counts.
    """
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)
    if loglevel != logging.WARNING:
        for name in (None, "neural", "django"):
            logging.getLogger(name).setLevel(loglevel)
