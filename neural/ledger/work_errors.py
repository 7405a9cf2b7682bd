"""Errors that work raises: made safe to catch, describe, store and send.

An error is an object of foreign code. Its message may raise, have megabytes or contain characters
that no database can keep, and its class may not be a subclass of ``Exception``. The ledger must be
able to record the failed attempt all the same.
"""

import os
import pickle
import traceback
from types import TracebackType

from neural.kit.errors import NeuralError
from neural.kit.storable import storable
from neural.ledger.interrupts import ends_the_worker

ERROR_LENGTH = 500
TRACEBACK_LENGTH = 50_000
"""Characters of a traceback that are kept: its beginning and its end."""
_LOOKED_AT = 5_000
_LONGEST_SENT = 1024 * 1024


class NotAnException(NeuralError):
    """Work raised something other than an ``Exception``: ``sys.exit``, gevent's Timeout, a panic in
    Rust."""


class AttemptFailed(NeuralError):
    """Replaces an error that cannot be logged or sent to another process."""


class only_exceptions:  # noqa: N801 (it reads like a statement)
    """A context manager that raises only subclasses of ``Exception``, and signals that stop the
    worker.

    Any other BaseException of the work becomes :class:`NotAnException`. Otherwise it would end the
    process, or get lost on the way, and nobody would finish the run. A process that the work has
    forked ends when it leaves the block: run, connection and worker belong to its parent.
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
    """An error's class and message in one line, at most :data:`ERROR_LENGTH` characters."""
    message = _kept(" ".join(message_of(error).split()))
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    return text[:ERROR_LENGTH]


def message_of(error: BaseException) -> str:
    """The beginning of an error's message, or why it cannot be read."""
    try:
        with only_exceptions():
            # __str__ may return a subclass of str; str's own slice is a plain str.
            return str.__getitem__(str(error), slice(0, _LOOKED_AT))
    except Exception as second:  # noqa: BLE001 (whatever it is)
        return f"(its message cannot be read: {type(second).__name__})"


def traceback_of(error: BaseException) -> str:
    """The traceback of an error and of the errors that led to it, shortened and storable."""
    try:
        with only_exceptions():
            text = "".join(traceback.format_exception(error))
    except Exception as second:  # noqa: BLE001 (whatever it is)
        text = f"{describe(error)}\n(its traceback cannot be read: {type(second).__name__})\n"
    return _kept(_shortened(text))


def _shortened(text: str) -> str:
    if len(text) <= TRACEBACK_LENGTH:
        return text
    half = TRACEBACK_LENGTH // 2
    left_out = len(text) - 2 * half
    return f"{text[:half]}\n… {left_out:,} characters left out …\n{text[-half:]}"


def _kept(text: str) -> str:
    # Half of a surrogate pair is a question mark here, as in the errors that are kept already.
    return storable(text.encode(errors="replace").decode())


def presentable(error: BaseException) -> Exception:
    """An error that Celery can log and send to the worker's main process: the error itself, or
    :class:`AttemptFailed` where sending it would fail or take more than a megabyte."""
    try:
        with only_exceptions():
            is_fine = len(str(error)) + len(repr(error)) <= _LONGEST_SENT
    except Exception:  # noqa: BLE001 (whatever it is)
        is_fine = False
    if is_fine and isinstance(error, Exception) and _can_be_sent(error):
        return error
    return AttemptFailed(describe(error))  # its traceback is in the ledger


def _can_be_sent(error: Exception) -> bool:
    if isinstance(error, MemoryError):  # it would end Celery's main process, too
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
