"""What work raises: which of it is an error of the work, and what it says.

An error is a stranger's object. Its message may raise, hang on to megabytes or hold what no
database can keep, its class may lie outside ``Exception``; the ledger must be able to write
down that the attempt failed all the same.
"""

import os
import pickle
import traceback
from types import TracebackType

from neural.errors import NeuralError
from neural.ledger.interrupts import ends_the_worker

ERROR_LENGTH = 500
TRACEBACK_LENGTH = 50_000
"""Characters of a traceback that are kept: its beginning and its end."""
_LOOKED_AT = 5_000
_LONGEST_SENT = 1024 * 1024


class NotAnException(NeuralError):
    """Work raised what is no ``Exception``: ``sys.exit``, gevent's Timeout, a panic in Rust."""


class AttemptFailed(NeuralError):
    """Stands for an error that cannot be logged or sent from one process to another."""


class only_exceptions:  # noqa: N801 (read as the statement that it is)
    """In this block nothing is raised but an ``Exception``, or what ends the worker itself.

    What else the work raises is its own error and becomes :class:`NotAnException`: it would
    end the process, or be lost on the way, and leave the run to nobody. A process that the
    work has forked and that comes back here ends: run, connection and worker are its parent's.
    """

    def __enter__(self) -> None:
        self._process_id = os.getpid()

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() != self._process_id:
            os._exit(_exit_code(error))
        if error is None or isinstance(error, Exception) or ends_the_worker(error):
            return
        raise NotAnException(f"{describe(error)} (not an Exception)") from error


def _exit_code(error: BaseException | None) -> int:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return 0 if error is None else 1


def describe(error: BaseException) -> str:
    """One line about an error: its class and its message."""
    message = storable(" ".join(message_of(error).split()))
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text[:ERROR_LENGTH]


def message_of(error: BaseException) -> str:
    """The beginning of an error's message, or why it cannot be read."""
    try:
        with only_exceptions():
            # What __str__ returns may be of a class of its own; str's own slice is a plain str.
            return str.__getitem__(str(error), slice(0, _LOOKED_AT))
    except Exception as second:  # noqa: BLE001 (whatever it is)
        return f"(its message cannot be read: {type(second).__name__})"


def traceback_of(error: BaseException) -> str:
    """The traceback of an error and of those that led to it."""
    try:
        with only_exceptions():
            text = "".join(traceback.format_exception(error))
    except Exception as second:  # noqa: BLE001 (whatever it is)
        text = f"{describe(error)}\n(its traceback cannot be read: {type(second).__name__})\n"
    return storable(_shortened(text))


def _shortened(text: str) -> str:
    if len(text) <= TRACEBACK_LENGTH:
        return text
    half = TRACEBACK_LENGTH // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"


def storable(text: str) -> str:
    """What the database can keep: no U+0000, no half of a surrogate pair."""
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()


def presentable(error: BaseException) -> Exception:
    """The error for Celery to log and to send to the worker's main process, or what stands for
    it where that would fail or take a megabyte."""
    try:
        with only_exceptions():
            is_fine = len(str(error)) + len(repr(error)) <= _LONGEST_SENT
    except Exception:  # noqa: BLE001 (whatever it is)
        is_fine = False
    if is_fine and isinstance(error, Exception) and _can_be_sent(error):
        return error
    return AttemptFailed(describe(error))  # its traceback is in the ledger


def _can_be_sent(error: Exception) -> bool:
    if isinstance(error, MemoryError):  # Celery's main process ends of it, wherever it was raised
        return False
    try:
        with only_exceptions():
            text = pickle.dumps(error)
            pickle.loads(text)  # noqa: S301 (made here)
            return len(text) <= _LONGEST_SENT
    except NotAnException:
        return False
    except Exception:  # noqa: BLE001 (Celery sends something similar instead)
        return True
