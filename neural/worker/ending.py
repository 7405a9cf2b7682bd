"""How a worker's processes end: the exit code of the main one, and signals that stop it.

A worker exits with 0 only if it was asked to stop, because supervisors restart what failed. Celery
5.7.0 exits with 0 after an error that terminates it (no file descriptor left), after a task's
exception that is a SystemExit, and, if started by ``worker_main`` (``manage.py worker``), after
every error.

A stop by a signal is noticed before Celery acts, and is never handled while a job's message is
being written. Inside the signal's handler, Celery's soft stop waits for the processes of its pool
to end. If the signal comes between the two writes that make a job's message, the pool process waits
for the rest. But the frame that writes it is interrupted by the handler: both wait for ever. Such a
signal is left to the event loop, which continues once the message is complete.

Celery waits without limit for a pool process that does not end (it is frozen, or waits for a lock
that it was forked with) and for the rest of an outcome that one was writing when it was killed. So
a soft stop that takes `GRACE` longer than it should kills the pool, and then the worker. Their runs
are found as those of any worker that was killed.
"""

import atexit
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from billiard.common import TERM_SIGNAME
from celery import platforms
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_FAILURE
from celery.worker import state
from kombu.asynchronous import get_event_loop

logger = logging.getLogger(__name__)

GRACE, LAST_GRACE = 10.0, 5.0
"""Seconds, after those of Celery's ``worker_soft_shutdown_timeout``, until the pool is killed, and
from then on until the worker ends without having stopped."""
_WRITER = ("celery.concurrency.asynpool", "_write_job")
"""The module and name of the function that writes a job to a process of the pool."""


_is_noticing = False
"""Whether signals stop the worker of this process."""
_worker: Any = None
"""The worker of this process."""


def begin(*, sender: Any, **_: Any) -> None:
    """Prepare how a worker that begins will end."""
    global _worker
    _worker = sender
    # The last of our steps. Python itself would end by this signal's default.
    atexit.register(signal.setitimer, signal.ITIMER_REAL, 0)
    start, stop = sender.start, sender.stop
    ends: list[BaseException | None] = []

    def stop_for_a_reason(*arguments: Any, **options: Any) -> Any:
        ends.append(sys.exc_info()[1])
        return stop(*arguments, **options)

    def start_and_end() -> None:
        start()
        code = sender.exitcode
        if not was_asked(ends):
            logger.critical("event=worker_ended_unasked worker=%s", sender.hostname)
            raise SystemExit(code if isinstance(code, int) and code else EX_FAILURE)

    sender.stop, sender.start = stop_for_a_reason, start_and_end


def heeded(name: str | int | None) -> str:
    """The name of the signal that ends a pool process when this one is requested.

    A pool process ignores SIGTERM where SIGTERM stops a worker softly (REMAP_SIGTERM).
    """
    number = platforms.signals.signum(name or TERM_SIGNAME)
    return str(TERM_SIGNAME if number == signal.SIGTERM else signal.Signals(number).name)


def was_asked(ends: list[BaseException | None]) -> bool:
    """Whether somebody told this process's worker to stop, by a signal or by remote control.

    ``ends`` are the exceptions with which Celery stopped it.
    """
    flags: tuple[Any, ...] = (state.should_stop, state.should_terminate)
    by_signal = any(flag is not None and flag is not False for flag in flags)
    return by_signal or any(isinstance(end, WorkerShutdown) and not end.code for end in ends)


def notice(log_change: Callable[[], None]) -> None:
    """Have ``log_change`` called when a signal stops the worker, before Celery acts on it."""
    global _is_noticing
    if threading.current_thread() is not threading.main_thread():
        return  # a worker embedded in a thread is not stopped by signals
    _is_noticing = True
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT):
        before = signal.getsignal(number)
        if callable(before):
            signal.signal(number, partial(_stop, log_change, before))


def stop_softly() -> None:
    """Stop this process's worker as SIGTERM does; for a thread that a person's request reaches.

    A worker embedded in a thread of another program is not stopped: the signal would end that
    program.
    """
    if not _is_noticing:
        logger.warning("event=stop_not_possible reason='the worker is part of another program'")
        return
    logger.info("event=stop_asked")
    # To the main thread, whose wait for the broker it interrupts.
    signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)  # type: ignore[arg-type]


def _stop(
    log_change: Callable[[], None], before: Any, number: int, frame: FrameType | None
) -> None:
    log_change()
    if _worker is not None and heeded(number) == "SIGQUIT":  # a warm stop waits for its runs
        _after(_worker.app.conf.worker_soft_shutdown_timeout + GRACE, _kill_the_pool)
    loop = get_event_loop()
    if loop is not None and _writes_a_job(frame):
        loop.call_soon(before, number, None)
    else:
        before(number, frame)


def _after(seconds: float, end: Any) -> None:
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _kill_the_pool(number: int, frame: FrameType | None) -> None:
    """A stop that hangs goes on without the pool, or else ends within another while."""
    _after(LAST_GRACE, _give_up)
    for process in getattr(getattr(_worker.pool, "_pool", None), "_pool", ()):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    logger.error("event=stop_hangs where='%s'", _where(frame))


def _give_up(number: int, frame: FrameType | None) -> None:
    _after(1, signal.SIG_DFL)  # which ends it, if the log takes no line either
    logger.critical("event=stop_given_up where='%s'", _where(frame))
    os._exit(EX_FAILURE)


def _where(frame: FrameType | None) -> str:
    calls = traceback.extract_stack(frame)[-8:]
    return " > ".join(f"{call.name} ({call.filename}:{call.lineno})" for call in calls)


def _writes_a_job(frame: FrameType | None) -> bool:
    while frame is not None:
        if (frame.f_globals.get("__name__"), frame.f_code.co_name) == _WRITER:
            return True
        frame = frame.f_back
    return False
