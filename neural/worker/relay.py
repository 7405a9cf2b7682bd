"""The relay: publishes messages that are missing and starts lost runs again.

It runs in every worker (see ``process``) and needs neither beat nor a leader: each step is a
compare-and-set, so several relays side by side do nothing twice. For deployments whose workers run
without one, it runs in its own process, which keeps a worker's row with no queues, so that people
and ``doctor`` see that it is alive (:class:`StandingRelay`).

In every turn it also does the duties of other apps: short checks such as 'is there work to
schedule?'. A duty is short (it shares the relay's thread and its database connection with short
timeouts), does no harm when several relays do it at once, and never opens what must not be open
before a fork.

The relay's connection to the database must not wait. Those of the pool's processes outlive a task
(CELERY_DB_REUSE_MAX), so each is checked before the next one.
"""

import logging
import os
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.models.functions import Now

from neural.broker.message import messages_for
from neural.broker.publisher import BrokerUnavailable, Publisher, publisher
from neural.kit.conf import conf
from neural.kit.registry import Registry
from neural.ledger import dialects
from neural.ledger.dialects import dialect_of, is_outage, ledger_connection, ledger_dialect
from neural.ledger.settle import release
from neural.models import ProcessKind, RunState, TaskRun, WorkerProcess
from neural.queues import pausing
from neural.runs.models.run_log import log_change
from neural.worker.models import memory_bytes, versions
from neural.worker.recovery import Recovery

logger = logging.getLogger(__name__)

Duty = Callable[[], None]

DUTIES: Registry[Duty] = Registry("duty")
LONGEST_SLEEP_SECONDS = 0.2
DATABASE_PATIENCE_MILLISECONDS = 2000


@dataclass(frozen=True)
class RelayReport:
    """What one turn of the relay did."""

    published: int = 0
    lost: int = 0
    workers_given_up: int = 0


def relay_once() -> RelayReport:
    """Do one whole turn: lost workers, their runs, duties, and the messages that are due.

    A worker that seems to be silent is watched first, for ``worker_lost_seconds``.
    """
    recovery = Recovery()
    given_up = recovery.give_up_silent_workers_now()
    lost = recovery.recover_abandoned()
    do_duties()
    return RelayReport(publish_unpublished(), lost, given_up)


def publish_unpublished(sender: Publisher | None = None) -> int:
    """Publish messages for unpublished runs, and return how many runs they cover.

    A queue that already holds many messages is skipped, because its runs do not wait for lack of
    messages. So is a paused queue. While the broker is down nothing changes.
    """
    sender = sender or publisher()
    queues = _queues_with_unpublished()
    if queues:
        paused = set(pausing.pauses().values_list("queue", flat=True))
        queues = [queue for queue in queues if queue not in paused]
    if not queues:
        return 0
    try:
        depths = sender.depths(queues)
    except BrokerUnavailable as error:
        logger.debug("event=relay_waits reason=%r", str(error))
        return 0
    limit = conf().queue_depth_limit
    room = {queue: limit - depth for queue, depth in depths.items() if depth < limit}
    return sum(_publish_queue(sender, queue, slots) for queue, slots in room.items())


def _publish_queue(sender: Publisher, queue: str, room: int) -> int:
    """Publish one batch a turn, because each row written costs the database as much as a run does.
    Of runs that need a message each, publish as many as there is room for: workers take no more
    than that."""
    published = 0
    while published < room:
        runs = _lease_unpublished(queue, min(room - published, conf().relay_batch))
        messages = messages_for(runs)
        if not messages:
            break
        try:
            sender.publish(messages)
        except BrokerUnavailable as error:
            logger.warning("event=relay_interrupted runs=%d reason=%r", len(runs), str(error))
            waiting = TaskRun.objects.filter(pk__in=[run.pk for run in runs], state="pending")
            waiting.update(publish_at=Now())
            break
        log_change("published", runs, by="relay")
        published += len(runs)
        if len(runs) < conf().relay_batch or len(messages) < len(runs):
            break
    return published


def _queues_with_unpublished() -> list[str]:
    """Queues with an unpublished run.

    This takes two index lookups for each queue. A DISTINCT would read the whole backlog, every
    second, in every worker.
    """
    waiting = TaskRun.objects.filter(state=RunState.PENDING).order_by("queue")
    queues: list[str] = []
    last: str | None = ""
    while last := waiting.filter(queue__gt=last).values_list("queue", flat=True).first():
        if TaskRun.objects.unpublished().filter(queue=last).exists():
            queues.append(last)
    return queues


def _lease_unpublished(queue: str, limit: int) -> list[TaskRun]:
    """Runs that only this relay will publish now; it takes a lease on their messages."""
    dialect = dialects.ledger_dialect()
    # Not IN (SELECT … LIMIT …): PostgreSQL may run such a subquery once for each row, and each time
    # it skips what is locked already. A CTE that locks runs once.
    statement = f"""
        WITH unpublished AS (
            SELECT id FROM neural_taskrun
            WHERE state = 'pending' AND publish_at <= {dialect.clock} AND queue = %s
            ORDER BY publish_at LIMIT %s {dialect.skip_locked}
        )
        UPDATE neural_taskrun SET publish_at = {dialect.clock_plus}
        WHERE {dialect.pending} AND publish_at <= {dialect.clock}
          AND id IN (SELECT id FROM unpublished)
        RETURNING *
    """
    parameters = [queue, limit, dialect.seconds(conf().republish_lease_seconds)]
    return list(TaskRun.objects.raw(statement, parameters))


def release_all(worker: WorkerProcess) -> int:
    """Release the runs that a stopping worker holds, uncounted; return how many."""
    return release(TaskRun.objects.running().filter(worker=worker), why="its worker was stopped")


def register_duty(name: str, duty: Duty) -> None:
    """Have every relay do this once a turn. The name must be new."""
    DUTIES.add(name, duty)


def do_duties() -> None:
    """Do each duty once. A failing duty is logged and does not stop the others."""
    for name, duty in DUTIES.items():
        try:
            duty()
        except Exception as error:
            logger.warning(
                "event=duty_failed duty=%s error=%r",
                name,
                str(error),
                exc_info=not is_outage(error),
            )


register_duty("ended pauses", pausing.finish_ended_pauses)


# A relay in its own process


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
            # In slices, because a signal's handler does not end a sleep. Setting a threading.Event
            # in a handler can deadlock with the thread that waits for it.
            wake_at = time.monotonic() + self.interval
            while not self._stopped and (left := wake_at - time.monotonic()) > 0:
                time.sleep(min(left, LONGEST_SLEEP_SECONDS))
        if self._row is not None:
            self._row.stop()

    def turn(self) -> RelayReport:
        """Do one turn: heartbeat, lost workers, their runs, unpublished runs, duties."""
        be_impatient()
        given_up = 0
        if time.monotonic() >= self._next_beat:
            self._beat()
            given_up = self._recovery.give_up_silent_workers()
        lost = self._recovery.recover_abandoned()
        report = RelayReport(publish_unpublished(), lost, given_up)
        do_duties()
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


# Database connections of a worker


def drop_broken_connections(**_: Any) -> None:
    """Before each task, close connections that are broken or older than ``CONN_MAX_AGE``. Its
    default, 0, is meant for requests: a worker's connections then live for as many tasks as
    ``CELERY_DB_REUSE_MAX`` says.

    Django would check each server with a statement (CONN_HEALTH_CHECKS). But a connection that the
    server has ended has data to read, so only such a connection is checked.
    """
    connection: Any
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            if connection.settings_dict["CONN_MAX_AGE"] == 0:
                connection.close_at, connection.health_check_enabled = None, True
            connection.close_if_unusable_or_obsolete()
            if is_silent(connection):
                connection.health_check_done = True


def is_silent(connection: Any) -> bool:
    """Whether nothing has come from the server since its last answer, not even the connection's
    end.

    False if that cannot be told. A connection whose other end is gone without notice is silent,
    too; a statement would get no answer either.
    """
    if not dialect_of(connection).has_socket or connection.connection is None:
        return False
    poller = select.poll()
    try:
        poller.register(connection.connection.fileno(), select.POLLIN)
    except connection.Database.Error:
        return False  # closed on this side
    return not poller.poll(0)


def be_impatient() -> None:
    """Make this thread's database connection give up soon instead of waiting for a lock."""
    connection = ledger_connection()
    if connection.in_atomic_block:
        return  # a caller's transaction (tests)
    connection.close_if_unusable_or_obsolete()
    if connection.connection is not None:
        return  # it got its timeout when it was opened
    with connection.cursor() as cursor:
        ledger_dialect().set_patience(cursor, str(DATABASE_PATIENCE_MILLISECONDS))
