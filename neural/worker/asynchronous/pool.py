"""The pool of such a worker, as Celery knows it: takes messages, and answers with outcomes.

A message of a run that may be a coroutine goes to the runner. Once its outcome is recorded, Celery
traces the message as in any worker: with its signals, events and log lines, which so come after the
work, and with the result for a client that reads it elsewhere. All other messages are traced at
once, in the thread for work that is no coroutine.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from celery import signals
from celery.concurrency.base import BasePool, apply_target

from neural.broker.message import RUN_HEADER
from neural.ledger.outcome import Outcome
from neural.ledger.work import WorkSource
from neural.worker import delivery
from neural.worker.asynchronous.lane import Lane
from neural.worker.asynchronous.runner import Asked, Runner
from neural.worker.asynchronous.watchdog import EXIT_CODE, Watchdog
from neural.worker.process import say_goodbye

STUCK_SECONDS = 10.0
"""How long a stopped process may wait for threads of the work that do not end."""


class TaskPool(BasePool):
    """Celery's interface of a pool."""

    body_can_be_buffer = True
    runner: Runner
    _hub: Any = None
    _stop_asked_at = 0.0

    def on_start(self) -> None:
        """Start the threads."""
        signals.worker_process_init.send(sender=None)
        delivery.set_has_loop(True)
        self._answers = Lane("neural-answers")
        self.runner = Runner(limit=self.limit)
        self.runner.loop.start()
        self._watchdog = Watchdog(self.runner)
        self._watchdog.start()

    def register_with_event_loop(self, loop: Any) -> None:
        """Remember Celery's own event loop, whose thread alone may use the broker's connection."""
        self._hub = loop

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Any = None,
        callback: Any = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        """Take a message; ``target`` traces it and ``callback`` acknowledges it."""
        if accept_callback:
            accept_callback(os.getpid(), time.monotonic())
        name, task_id, request = args[:3]
        trace = partial(apply_target, target, args, kwargs, partial(self._tell, callback))
        source = self.app.tasks.get(name)
        if request.get(RUN_HEADER) and isinstance(source, WorkSource) and source.waits():
            self.runner.ask(Asked(task_id, source, partial(self._answer, trace)))
        else:
            self.runner.others.put(trace)

    def claim_no_more(self) -> None:
        """Only finish what is under way. Safe in a signal handler: it sets flags."""
        self._hub = None  # its thread waits for the end
        self._stop_asked_at = self._stop_asked_at or time.monotonic()
        self.runner.claim_no_more()

    def terminate_job(self, pid: int, signal: Any = None) -> None:
        """Cancel the coroutines of runs that were revoked."""
        self.runner.drop_revoked()

    def on_stop(self) -> None:
        """Let what is under way end within the time for a stop, and release the rest.

        Celery calls this at each stop: at a soft one when that time has passed.
        """
        self.claim_no_more()
        deadline = self._stop_asked_at + self.app.conf.worker_soft_shutdown_timeout
        while self.runner.under_way() and time.monotonic() < deadline:
            time.sleep(0.05)
        self.on_terminate()

    def on_terminate(self) -> None:
        """Release what is under way. After a stop, Celery calls this once more."""
        if self._watchdog.is_stopped:
            return
        self.claim_no_more()
        self._watchdog.stop()
        self.runner.stop()
        with suppress(TimeoutError):
            self._answers.put(lambda: None).exception(timeout=STUCK_SECONDS)
        say_goodbye()
        delivery.set_has_loop(False)
        end = threading.Timer(STUCK_SECONDS, os._exit, [EXIT_CODE])
        end.daemon = True
        end.start()

    def _answer(self, trace: Callable[[], object], outcomes: Sequence[Outcome]) -> None:
        self._answers.put(partial(_traced, trace, outcomes))

    def _tell(self, callback: Any, value: Any) -> None:
        hub = self._hub
        if hub is None:
            callback(value)
        else:
            hub.call_soon(callback, value)

    def _get_info(self) -> dict[str, Any]:
        info: dict[str, Any] = super()._get_info()  # type: ignore[misc]  # left out of the stubs
        return {**info, "processes": [os.getpid()]}


def _traced(trace: Callable[[], object], outcomes: Sequence[Outcome]) -> None:
    before = delivery.recorded.set(outcomes)
    try:
        trace()
    finally:
        delivery.recorded.reset(before)
