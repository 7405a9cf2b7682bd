"""Waiting for a database that is away, where giving up would leave a run to nobody."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from neural.ledger import dialects

Value = TypeVar("Value")

LONGEST_PAUSE_SECONDS = 2.0


def insist(action: Callable[[], Value], *, seconds: float) -> Value:
    """Do it, again on a new connection while the database is away, for so many seconds.

    Within a caller's transaction (tests) it is done once: that one cannot be begun anew.
    """
    deadline = time.monotonic() + seconds
    pause = 0.05
    while True:
        try:
            return action()
        except (OperationalError, InterfaceError):
            connection = dialects.ledger_connection()
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
