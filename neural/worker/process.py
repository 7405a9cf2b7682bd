"""The life of a worker's main process: its row, heartbeat, relay thread and shutdown.

The thread shares nothing with the consumer. It has its own database and broker connections with
short timeouts, so a stalled database or broker can never stall the consumer.
"""

import atexit
import gc
import logging
import os
import socket
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from billiard.util import get_pdeathsig  # type: ignore[attr-defined]
from celery import signals
from django.db import DatabaseError, InterfaceError, connections

from neural.kit.conf import conf
from neural.ledger import claim, dialects
from neural.ledger.dialects import is_outage
from neural.ledger.settle import check_inserts
from neural.models import WorkerProcess
from neural.worker import delivery, ending, relay
from neural.worker.message_validation import see_to_unknown_tasks
from neural.worker.models import memory_bytes, versions
from neural.worker.recovery import Recovery
from neural.worker.refusing import registered_work
from neural.worker.relay import be_impatient, drop_broken_connections

logger = logging.getLogger(__name__)

FORK_PATIENCE_SECONDS = 2
MEASURE_SECONDS = 30
"""How often a worker measures the memory of its processes."""

_thread: "RelayThread | None" = None


def begin(*, sender: Any, **_: Any) -> None:
    """Connect to the signals of a worker that begins, and record its row."""
    signals.worker_ready.connect(_start_relay, dispatch_uid="neural.start_relay")
    signals.worker_shutdown.connect(say_goodbye, dispatch_uid="neural.say_goodbye")
    signals.task_prerun.connect(drop_broken_connections, dispatch_uid="neural.connections")
    _register(sender)


def _register(sender: Any) -> None:
    """Record the worker before the pool is forked: its processes inherit the row's number."""
    try:
        check_inserts()
        asked = sender.concurrency
        worker = WorkerProcess.objects.create(
            name=sender.hostname,
            host=socket.gethostname(),
            process_id=os.getpid(),
            queues=sorted(sender.app.amqp.queues.consume_from),
            concurrency=asked if isinstance(asked, int) and asked else os.cpu_count() or 1,
            registered=registered_work(sender.app),
            versions=versions(),
        )
        claim.set_own_worker(worker)
    except (DatabaseError, InterfaceError) as error:
        # Nobody would notice if a worker without a row died, and one whose database has not been
        # migrated could settle nothing. Its supervisor starts it again.
        # SystemExit, because Celery continues after any other error of a receiver.
        logger.critical("event=worker_not_recorded error=%r", str(error))
        raise SystemExit(1) from error
    delivery.prepare()
    connections.close_all()
    conf()  # loads pydantic, which no process of the pool should load again
    with suppress(OSError):
        get_pdeathsig()  # loads cffi's parser, likewise: billiard asks for this signal by it
    # What is loaded by now stays. Garbage collection shall neither search it again and again nor
    # write to memory pages that the pool's processes share.
    gc.collect()
    gc.freeze()
    # A cold shutdown (a second signal, or the end of the soft one) sends no worker_shutdown.
    atexit.register(say_goodbye)


def _start_relay(*, sender: Any, **_: Any) -> None:
    global _thread
    worker = claim.own_worker()
    if worker is None:
        return
    _thread = RelayThread(worker, sender.pool)
    _thread.start()
    # This must come before Celery acts: it ends the pool's processes first and sends
    # worker_shutdown later, and processes that are told to end are not lost.
    ending.notice(_thread.only_beat)
    logger.info("event=worker_ready worker=%s row=%s", worker.name, worker.pk)


def say_goodbye(**_: Any) -> None:
    """After the pool has stopped, release what it could not finish. This counts as no attempt."""
    global _thread
    worker = claim.own_worker()
    if worker is not None and worker.process_id != os.getpid():
        return  # a pool process that leaves is not the worker
    if _thread is not None:
        _thread.stop()
    if worker is not None:
        try:
            released = relay.release_all(worker)
            worker.stop()
            logger.info("event=worker_stopped worker=%s released=%d", worker.name, released)
        except (DatabaseError, InterfaceError) as error:
            logger.warning("event=goodbye_failed worker=%s error=%r", worker.name, str(error))
    delivery.forget()
    _thread = None
    claim.set_own_worker(None)


class RelayThread(threading.Thread):
    """Does heartbeat, recovery, publishing and duties, once a second, until stopped."""

    def __init__(self, worker: WorkerProcess, pool: Any) -> None:
        super().__init__(name="neural-relay", daemon=True)
        self.worker = worker
        self.pool = pool
        self._stop_asked = threading.Event()
        self._only_beat = False
        self._next_measure = 0.0
        self._busy = threading.Lock()
        self._recovery = Recovery()
        # A fork in the middle of a query would copy its locks into the child, where they stay held
        # for ever.
        os.register_at_fork(
            before=self._wait_for_quiet, after_in_parent=self._go_on, after_in_child=self._go_on
        )

    def run(self) -> None:
        self._next_beat = time.monotonic() + conf().heartbeat_seconds
        while not self._stop_asked.wait(conf().relay_seconds):
            with self._busy:
                self._turn()
        connections.close_all()

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(timeout=FORK_PATIENCE_SECONDS * 2)

    def only_beat(self) -> None:
        """From now on send only heartbeats, judge no other worker, and claim no more."""
        self._only_beat = True
        claim_no_more = getattr(self.pool, "claim_no_more", None)  # of a pool that claims by itself
        if claim_no_more is not None:
            claim_no_more()

    def _turn(self) -> None:
        try:
            be_impatient()
            self._work()
        except Exception as error:
            logger.warning("event=relay_failed error=%r", str(error), exc_info=not is_outage(error))
            connections.close_all()
        finally:
            if not dialects.ledger_dialect().survives_fork:
                connections.close_all()

    def _work(self) -> None:
        if time.monotonic() >= self._next_beat:
            self._beat()
            if not self._only_beat:
                self._recovery.give_up_silent_workers()
                self._recovery.recover_abandoned()
        if self._only_beat:
            return
        self._recovery.recover_from_dead_children(self.worker, self.living_processes)
        relay.publish_unpublished()
        see_to_unknown_tasks(claim.own_claimant())
        relay.do_duties()

    def _beat(self) -> None:
        self.worker.beat(**self._facts())
        self._next_beat = time.monotonic() + conf().heartbeat_seconds
        if not self._only_beat and self.worker.is_asked_to_stop():
            ending.stop_softly()

    def _facts(self) -> dict[str, Any]:
        """What a heartbeat says besides; memory is measured seldom, for it takes milliseconds."""
        if time.monotonic() < self._next_measure:
            return {}
        self._next_measure = time.monotonic() + MEASURE_SECONDS
        return {"memory_bytes": memory_bytes(self.living_processes())}

    def living_processes(self) -> Collection[int]:
        """Process ids of this process and its pool; some pools have no processes."""
        info = self.pool.info if self.pool is not None else {}
        return set(info.get("processes") or ()) | {os.getpid()}

    def _wait_for_quiet(self) -> None:
        self._held = self._busy.acquire(timeout=FORK_PATIENCE_SECONDS)

    def _go_on(self) -> None:
        if self._held:
            self._busy.release()
