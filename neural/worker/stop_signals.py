"""A stop by a signal: told before Celery acts, and never in the middle of a job's message.

Celery's soft stop waits, inside the signal's handler, for the processes of its pool to end. If the
signal comes between the two writes of which a job's message is made, the process that reads it
waits for the rest, which is written by the frame that the handler has interrupted: both wait for
ever. Such a signal is left to the event loop, which goes on as soon as the message is whole.
"""

import signal
import threading
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

from kombu.asynchronous import get_event_loop

_WRITER = ("celery.concurrency.asynpool", "_write_job")
"""The module and name of the function that writes a job to a process of the pool."""


def notice(tell: Callable[[], None]) -> None:
    """Have ``tell`` called when the worker is told to stop, before Celery ends its processes."""
    if threading.current_thread() is not threading.main_thread():
        return  # a worker embedded in a thread is not stopped by signals
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, partial(_stop, tell, before))


def _stop(tell: Callable[[], None], before: Any, number: int, frame: FrameType | None) -> None:
    tell()
    loop = get_event_loop()
    if loop is not None and _writes_a_job(frame):
        loop.call_soon(before, number, None)
    else:
        before(number, frame)


def _writes_a_job(frame: FrameType | None) -> bool:
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _WRITER:
            return True
        frame = frame.f_back
    return False
