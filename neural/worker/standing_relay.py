"""A relay in its own process, for deployments whose workers run without one.

It keeps a worker's row with no queues, so that people and ``doctor`` see that it is alive.
"""

import logging
import os
import socket
import time
from collections.abc import Callable

from django.db import connections

from neural.conf import conf
from neural.ledger.dialects import is_outage
from neural.models import ProcessKind, WorkerProcess
from neural.models.worker import memory_bytes, versions
from neural.worker import relay
from neural.worker.connections import be_impatient
from neural.worker.recovery import Recovery
from neural.worker.relay import RelayReport

logger = logging.getLogger(__name__)

LONGEST_SLEEP_SECONDS = 0.2


class StandingRelay:
    """Does the relay's turns, ``interval`` seconds apart, until :meth:`stop`.

    ``on_report`` is called with the report of every turn that did something. While the database is
    unavailable, the relay keeps trying.
    """

    def __init__(
        self, *, interval: float, on_report: Callable[[RelayReport], None] = lambda report: None
    ) -> None:
        self.interval = interval
        self.on_report = on_report
        self._stopped = False
        self._row: WorkerProcess | None = None
        self._next_beat = 0.0
        self._recovery = Recovery()

    def stop(self) -> None:
        """Stop after this turn. Safe in a signal handler: it only sets a flag."""
        self._stopped = True

    def run(self) -> None:
        """Work until stopped, then mark the worker's row as stopped."""
        while not self._stopped:
            try:
                report = self.turn()
            except Exception as error:
                logger.warning(
                    "event=relay_failed error=%r", str(error), exc_info=not is_outage(error)
                )
                connections.close_all()
            else:
                if report != RelayReport():
                    self.on_report(report)
            self._sleep()
        self._say_goodbye()

    def turn(self) -> RelayReport:
        """Do one turn: heartbeat, lost workers, their runs, unpublished runs, duties."""
        be_impatient()
        given_up = 0
        if time.monotonic() >= self._next_beat:
            self._beat()
            given_up = self._recovery.give_up_silent_workers()
        lost = self._recovery.recover_abandoned()
        report = RelayReport(relay.publish_unpublished(), lost, given_up)
        relay.do_duties()
        return report

    def _beat(self) -> None:
        if self._row is None:
            self._row = _register()
        else:
            self._row.beat(memory_bytes=memory_bytes([os.getpid()]))
            if self._row.is_asked_to_stop():
                logger.info("event=stop_asked worker=%s", self._row.name)
                self.stop()
        self._next_beat = time.monotonic() + conf().heartbeat_seconds

    def _sleep(self) -> None:
        # In slices, because a signal's handler does not end a sleep. Setting a threading.Event in a
        # handler can deadlock with the thread that waits for it.
        wake_at = time.monotonic() + self.interval
        while not self._stopped and (left := wake_at - time.monotonic()) > 0:
            time.sleep(min(left, LONGEST_SLEEP_SECONDS))

    def _say_goodbye(self) -> None:
        if self._row is not None:
            self._row.stop()


def _register() -> WorkerProcess:
    host = socket.gethostname()
    return WorkerProcess.objects.create(
        kind=ProcessKind.RELAY,
        name=f"relay@{host}",
        host=host,
        process_id=os.getpid(),
        queues=[],
        concurrency=0,
        versions=versions(),
    )
