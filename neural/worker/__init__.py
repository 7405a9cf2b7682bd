"""The process of a worker: its row, its heartbeat, its messages and its relay.

The relay publishes messages for runs that are due.
"""

import logging
from functools import partial
from importlib import import_module
from typing import Any

from celery import signals

logger = logging.getLogger(__name__)

PARTS = ("message_validation", "ending", "process")
"""Modules whose ``begin`` is called, in this order, when a worker begins."""


def connect() -> None:
    """Connect to the signal of Celery's workers, whatever their application.

    No worker begins in web processes and commands. So they do not import what only a worker needs,
    above all parts of Celery.
    """
    for part in PARTS:
        signals.worker_init.connect(
            partial(_begin, part), weak=False, dispatch_uid=f"neural.{part}"
        )


def _begin(part: str, **sent: Any) -> None:
    try:
        begin = import_module(f"neural.worker.{part}").begin
    except Exception as error:
        # SystemExit, because Celery continues after any other error of a receiver: the worker would
        # be at work without its row, its relay or its checks of messages.
        logger.critical("event=worker_incomplete part=%s", part, exc_info=True)
        raise SystemExit(1) from error
    begin(**sent)
