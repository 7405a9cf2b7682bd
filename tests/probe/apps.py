"""The app's configuration."""

import os
import signal

from django.apps import AppConfig


class ProbeConfig(AppConfig):
    name = "tests.probe"
    label = "probe"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        if "PROBE_STOP_WHILE_WRITING" in os.environ:
            stop_between_the_writes_of_a_job()


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
