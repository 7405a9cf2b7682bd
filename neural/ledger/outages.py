"""What is done again because the database was not there for it, or undid it.

Of an outage: where giving up would leave a run to nobody, the database is waited for. Of
contention: what was undone for the sake of another transaction is done again at once.
"""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

from neural.ledger import dialects

Value = TypeVar("Value")

LONGEST_PAUSE_SECONDS = 2.0
MAX_ATTEMPTS = 5
_DEADLOCK_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout


def retry_until(action: Callable[[], Value], *, seconds: float) -> Value:
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


def is_contention(error: BaseException) -> bool:
    """Whether the database undid the transaction for the sake of another one."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    return state in _DEADLOCK_STATES or "database is locked" in str(error)


def despite_contention(
    transact: Callable[[], Value],
    *,
    may_repeat: Callable[[OperationalError], bool] = is_contention,
) -> Value:
    """Call a function that is a whole transaction, again a few times if it was undone."""
    for attempt in range(1, MAX_ATTEMPTS):
        try:
            return transact()
        except OperationalError as error:
            if not may_repeat(error):
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)
    return transact()
