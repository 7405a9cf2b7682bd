"""The app's configuration."""

import os
import signal
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from django.apps import AppConfig


class ProbeConfig(AppConfig):
    name = "tests.probe"
    label = "probe"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if "PROBE_STOP_WHILE_WRITING" in os.environ:
            stop_between_the_writes_of_a_job()
        if "PROBE_STOP_GRACE" in os.environ:
            ending = import_module("neural.worker.ending")
            seconds = os.environ["PROBE_STOP_GRACE"].split()
            ending.GRACE, ending.LAST_GRACE = map(float, seconds)
        if "PROBE_STOP_HANGS" in os.environ:
            wait_for_ever_for_the_pool()
        if "PROBE_KILL" in os.environ:
            kill_once(os.environ["PROBE_KILL"])
        if "PROBE_OLD" in os.environ:
            know_no_batches()


def kill_once(place: str) -> None:
    """Kill the first process that comes to a place: ``module:function:before`` or ``…:after``."""
    path, name, when = place.split(":")
    module = import_module(path)
    function = getattr(module, name)

    def call_and_die(*args, **kwargs):
        if when == "before":
            _die_if_first()
        value = function(*args, **kwargs)
        _die_if_first()
        return value

    setattr(module, name, call_and_die)


def _die_if_first() -> None:
    with suppress(FileExistsError):
        Path(os.environ["PROBE_DIRECTORY"], "killed").touch(exist_ok=False)
        os.kill(os.getpid(), signal.SIGKILL)


def know_no_batches() -> None:
    """As a worker of a version before them."""
    from neural.runs.models import run_ends
    from neural.worker import relay

    for name in ("batches", "members of batches"):
        run_ends._listeners.pop(name, None)
    relay.DUTIES._things.pop("batches")
    relay.DUTIES._changed()


def wait_for_ever_for_the_pool() -> None:
    """As Celery does for the rest of a message whose writer was killed."""
    from celery.concurrency.prefork import TaskPool

    def wait_for_ever(pool):
        threading.Event().wait()

    TaskPool.on_stop = wait_for_ever


def stop_between_the_writes_of_a_job() -> None:
    """As if the worker were stopped when half of a message to its pool is written."""
    from billiard.connection import _ConnectionBase

    send = _ConnectionBase.send_offset

    def send_and_stop(self, buffer, offset):
        sent = send(self, buffer, offset)
        if len(buffer) == 4:  # the header: how long the job's body is
            _ConnectionBase.send_offset = send
            os.kill(os.getpid(), signal.SIGTERM)
        return sent

    _ConnectionBase.send_offset = send_and_stop
