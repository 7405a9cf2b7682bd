"""What Celery raises in work, or work for Celery: the ledger knows Celery by these words alone.

Work says Retry, Ignore and Reject by Celery's own exceptions, the soft time limit strikes as one,
and so does a stop of the worker. Nothing else of Celery is known where runs are claimed, worked on
and settled (an import contract holds this).
"""

import signal

from billiard import common as billiard
from celery.exceptions import (
    Ignore,
    MaxRetriesExceededError,
    Reject,
    Retry,
    SoftTimeLimitExceeded,
    WorkerShutdown,
    WorkerTerminate,
)

__all__ = [
    "Ignore",
    "MaxRetriesExceededError",
    "Reject",
    "Retry",
    "SoftTimeLimitExceeded",
    "ends_the_worker",
]


def ends_the_worker(error: BaseException) -> bool:
    """Whether this was raised by a signal that asks the worker to end, and not by the work."""
    if isinstance(error, WorkerShutdown | WorkerTerminate):
        return True
    if isinstance(error, SystemExit):
        return bool(billiard.terminate_handler_fired())  # type: ignore[attr-defined]  # new in 4.3
    # The pool's processes ignore SIGINT; elsewhere somebody has pressed Ctrl-C.
    is_interrupt = isinstance(error, KeyboardInterrupt)
    return is_interrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler
