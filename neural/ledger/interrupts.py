"""Celery's exceptions that the ledger knows.

Work raises Celery's own Retry, Ignore and Reject. The soft time limit and a stop of the worker are
raised in it as exceptions, too. The code that claims, executes and settles runs knows nothing else
of Celery (an import contract enforces this).
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
from celery.result import ResultBase

__all__ = [
    "Ignore",
    "MaxRetriesExceededError",
    "Reject",
    "ResultBase",
    "Retry",
    "SoftTimeLimitExceeded",
    "ends_the_worker",
]


def ends_the_worker(error: BaseException) -> bool:
    """Whether a signal that stops the worker raised this error, and not the work."""
    if isinstance(error, WorkerShutdown | WorkerTerminate):
        return True
    if isinstance(error, SystemExit):
        return bool(billiard.terminate_handler_fired())  # type: ignore[attr-defined]  # new in 4.3
    # The pool's processes ignore SIGINT; elsewhere, somebody has pressed Ctrl-C.
    is_interrupt = isinstance(error, KeyboardInterrupt)
    return is_interrupt and signal.getsignal(signal.SIGINT) is signal.default_int_handler
