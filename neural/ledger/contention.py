"""What the database undid for the sake of another transaction is done again at once."""

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError

TRIES = 5
_DEADLOCK_STATES = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout

Result = TypeVar("Result")


def is_contention(error: BaseException) -> bool:
    """Whether the database undid the transaction for the sake of another one."""
    cause = error.__cause__
    state = getattr(cause, "sqlstate", None)
    return state in _DEADLOCK_STATES or "database is locked" in str(error)


def despite_contention(
    transact: Callable[[], Result],
    *,
    may_repeat: Callable[[OperationalError], bool] = is_contention,
) -> Result:
    """Call a function that is a whole transaction, again a few times if it was undone."""
    for attempt in range(1, TRIES):
        try:
            return transact()
        except OperationalError as error:
            if not may_repeat(error):
                raise
            time.sleep(random.uniform(0.01, 0.05) * attempt)
    return transact()
