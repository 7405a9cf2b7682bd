"""Beat's own row among the workers: that it lives, where, since when, and in which versions."""

import logging
import os
import socket
import time

from django.db import DatabaseError, InterfaceError

from neural.conf import conf
from neural.ledger import dialects
from neural.ledger.process_facts import memory_bytes, versions
from neural.models import ProcessKind, WorkerProcess

logger = logging.getLogger(__name__)


class BeatProcess:
    """The row of this process. It is written at the first heartbeat, and again if it was pruned.

    What the database does not take is logged and tried again at the next heartbeat: beat must not
    stop for it.
    """

    def __init__(self) -> None:
        self._row: WorkerProcess | None = None
        self._next_beat = 0.0

    def beat(self) -> None:
        """Record a heartbeat if it is time for one."""
        if time.monotonic() < self._next_beat:
            return
        self._next_beat = time.monotonic() + conf().heartbeat_seconds
        try:
            self._record()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("event=beat_heartbeat_failed error=%r", str(error))

    def seconds_to_heartbeat(self) -> float:
        """How long beat may sleep before its next heartbeat."""
        return max(self._next_beat - time.monotonic(), 0.0) or conf().heartbeat_seconds

    def stop(self) -> None:
        """Record that beat has ended."""
        row, self._row = self._row, None
        if row is None:
            return
        try:
            try:
                row.stop()
            except (DatabaseError, InterfaceError):
                # The signal that ends beat may have come in the middle of a query: its connection
                # is of no more use, a new one is.
                dialects.ledger_connection().close()
                row.stop()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("event=goodbye_failed worker=%s error=%r", row.name, str(error))
        else:
            logger.info("event=beat_stopped worker=%s", row.name)

    def _record(self) -> None:
        memory = memory_bytes([os.getpid()])
        if self._row is None or not self._row.beat(memory_bytes=memory):
            self._row = _new_row(memory)


def _new_row(memory: int | None) -> WorkerProcess:
    host = socket.gethostname()
    return WorkerProcess.objects.create(
        kind=ProcessKind.BEAT,
        name=f"beat@{host}",
        host=host,
        process_id=os.getpid(),
        queues=[],
        concurrency=0,
        versions=dict(versions()),
        memory_bytes=memory,
    )
