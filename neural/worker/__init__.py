"""The process of a worker.

Its row, its heartbeat, what it takes from the broker, and the relay that publishes what is due.
"""

from functools import partial
from importlib import import_module
from typing import Any

from celery import signals

PARTS = ("unknown_tasks", "message_validation", "ending", "process")
"""Modules whose ``begin`` is called, in this order, when a worker begins."""


def connect() -> None:
    """Attach to the signal of Celery's workers, whatever their application. Web processes and
    commands, in which none begins, do not import what only a worker needs: Celery's own above all.
    """
    for part in PARTS:
        signals.worker_init.connect(
            partial(_begin, part), weak=False, dispatch_uid=f"neural.{part}"
        )


def _begin(part: str, **sent: Any) -> None:
    import_module(f"neural.worker.{part}").begin(**sent)
