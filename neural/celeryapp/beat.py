"""Beat on the ledger: ``CELERY_BEAT_SCHEDULER = "neural.celeryapp.beat:LedgerScheduler"``.

Schedules are django-celery-beat's rows, edited in the admin. Beyond its own scheduler, this one
guarantees:

* **A ledger task's due time is recorded once.** The run and the schedule's ``last_run_at``
  commit together, and the run's task id names the schedule and the time. So a beat that is killed
  neither doubles nor loses a run, two beats record each time once, and the broker is not needed:
  the relay publishes what beat could not.
* **A plain Celery task is sent at most once for each due time**: ``last_run_at`` is written first.
  Before that, the broker is checked, within half a second. While it is down, the schedule stays
  due, and is sent once when the broker is back. A due time is lost if beat is killed, or the
  broker breaks, between the two steps; the latter is logged.
* **One run makes up for the due times that passed while beat was down**, as in Celery, when beat
  starts (django-celery-beat leaves a daily crontab out until its hour comes near again). A
  schedule's policy may leave missed times out instead, and times at which its last run has not
  ended (``neural.models.SchedulePolicy``).
* **Beat has a row among the workers**, with a heartbeat that needs no broker.
* **The database's clock decides what is due**, whatever the host's clock says. A last run in the
  future (written by a host whose clock was ahead) silences no schedule: it counts from when beat
  reads it.
* **Edits** in the admin, or by ``save()``, take effect within five seconds. After
  ``queryset.update()`` call ``PeriodicTasks.update_changed()``; else it takes five minutes.
  Only disabling by ``update()`` takes effect at once.
* **The database may be unavailable**: beat logs this and continues with what it read last. What is
  due then is recorded when the database is back.
* **A task of an app of Neural that is not installed is left out**, which is logged once. Its row
  stays as people left it, and is due again when the app is installed. A task name that nobody here
  knows is sent all the same, as Celery does: it may be a task of other code.

What is refused (arguments that the task does not take, an unknown queue, a priority of 0) is no
run: it is logged, kept with the schedule's policy for people to see, and tried again at the next
due time, when beat starts, and when the schedule was edited. ``last_run_at`` stays that of the last
run, so the schedule is overdue. Schedules and ledger must be in one database.
"""

import datetime as dt
import logging
import os
import socket
import time
from functools import partial
from typing import Any

from celery.schedules import schedstate
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django_celery_beat.schedulers import SCHEDULE_SYNC_MAX_INTERVAL, DatabaseScheduler
from kombu import Producer

from neural.broker.connections import short_tempered_connection
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.celeryapp.task import LedgerTask
from neural.kit.conf import conf
from neural.kit.optional import absent_app_advice
from neural.ledger import dialects
from neural.ledger.clock import carried
from neural.ledger.work_errors import describe
from neural.models import ProcessKind, SchedulePolicy, SkipReason, TaskRun, WorkerProcess
from neural.schedules.entries import LedgerEntry, LeftOut, due_time_to_run
from neural.schedules.runs import must_take
from neural.worker.models import memory_bytes, versions

logger = logging.getLogger(__name__)

CLOCK_SET_SECONDS = 1
"""If the database's clock differs by more than this from beat's estimate of it, it has been set."""
REQUESTED_BY_LENGTH: int = TaskRun._meta.get_field("requested_by").max_length or 0


class LedgerScheduler(DatabaseScheduler):
    """django-celery-beat's scheduler, which records due runs in the ledger (see the module)."""

    Entry = LedgerEntry
    # The parent's would wait here for a broker that is down, for ever, before anything is due.
    producer = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._schedule: dict[str, LedgerEntry] = {}
        self._read_at: float | None = None
        self._answered = False
        self._changed_at: dt.datetime | None = None
        self._is_set_up = False
        self._left_out: set[str] = set()
        self._is_ticking = False
        self._process = BeatProcess()
        super().__init__(*args, **kwargs)

    # What is due

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Do what is due; returns the seconds until the next look, at most until the heartbeat."""
        self._is_ticking = True
        try:
            if not self._is_set_up:
                self.setup_schedule()
            pause = super().tick(*args, **kwargs)
            if self._answered:
                self._process.beat()
        finally:
            self._is_ticking = False
        return min(pause, self._process.seconds_to_heartbeat())

    def sync(self) -> None:
        """Do nothing: every due time was written when it was taken. The parent would close the
        database connection, although a signal's handler may call this within a transaction."""

    def close(self) -> None:
        """Celery's hook at the end, also called by the handler of a signal that ends beat."""
        if not self._is_ticking:  # else a statement may be under way; the tick's end comes here
            self._process.stop()
        super().close()

    def is_due(self, entry: LedgerEntry) -> Any:
        """Whether the entry was due and has been recorded or sent.

        It is recorded or sent here because the parent soon checks again only entries that are not
        due. What could not be recorded now must not wait for its next due time.
        """
        state, now = super().is_due(entry), entry._default_now()
        if state[0] and entry.refused_until and now < entry.refused_until:
            # As if it were done: what is not due would hold up the others before Celery 5.7.
            return schedstate(True, (entry.refused_until - now).total_seconds())
        if not state[0] or self._see_to(entry, now):
            return state
        return schedstate(False, self.max_interval)

    def reserve(self, entry: LedgerEntry) -> LedgerEntry:
        return entry  # it has advanced already

    def apply_entry(self, entry: LedgerEntry, producer: Any = None) -> None:
        """Do nothing: ``is_due`` has done it."""

    def _see_to(self, entry: LedgerEntry, now: dt.datetime) -> bool:
        try:
            self._do_or_refuse(entry, now)
        except (OperationalError, InterfaceError, BrokerUnavailable) as error:
            logger.warning("event=schedule_waits schedule=%r reason=%r", entry.name, str(error))
            return False
        return True

    def _do_or_refuse(self, entry: LedgerEntry, now: dt.datetime) -> None:
        see_to = self._record if self._is_on_ledger(entry) else self._send
        try:
            must_take(self.app.tasks.get(entry.task), entry.args, entry.kwargs)
            see_to(entry, now)
        except (OperationalError, InterfaceError, BrokerUnavailable):
            raise
        except Exception as error:
            logger.exception("event=schedule_refused schedule=%r task=%s", entry.name, entry.task)
            SchedulePolicy.record_skip(entry.model.pk, SkipReason.REFUSED, describe(error), now)
            entry.refuse(now)

    def _record(self, entry: LedgerEntry, now: dt.datetime) -> None:
        with transaction.atomic(using=dialects.ledger_connection().alias):
            if not self._take(entry, now):
                return
            task_id = self._ask_unless_left_out(entry, now)
        entry.taken(now)
        if task_id:
            logger.info("event=schedule_recorded schedule=%r run=%s", entry.name, task_id)

    def _ask_unless_left_out(self, entry: LedgerEntry, now: dt.datetime) -> str:
        """Ask for the run; returns its task id, empty if the policy leaves the due time out."""
        try:
            due_at = due_time_to_run(entry, now, on_ledger=True)
        except LeftOut as reason:
            _log_left_out(entry, reason)
            return ""
        task_id = entry.run_id(due_at)
        self._apply(entry, task_id=task_id, requested_by=entry.name[:REQUESTED_BY_LENGTH])
        return task_id

    def _send(self, entry: LedgerEntry, now: dt.datetime) -> None:
        publisher().must_accept()  # raises while the broker is down or refuses
        with transaction.atomic(using=dialects.ledger_connection().alias):
            if not self._take(entry, now):
                return
            is_left_out = self._is_left_out(entry, now)
        entry.taken(now)
        if not is_left_out:
            self._publish(entry)

    def _is_left_out(self, entry: LedgerEntry, now: dt.datetime) -> bool:
        try:
            due_time_to_run(entry, now, on_ledger=False)
        except LeftOut as reason:
            _log_left_out(entry, reason)
            return True
        return False

    def _take(self, entry: LedgerEntry, now: dt.datetime) -> bool:
        taken = entry.take(now)
        if not taken:  # taken by another beat, or edited: read it again
            self._read_at = None
        return taken

    def _publish(self, entry: LedgerEntry) -> None:
        with short_tempered_connection() as connection:
            producer = Producer(connection.default_channel, auto_declare=False)
            self._apply(entry, producer=producer, retry=False)

    def _apply(self, entry: LedgerEntry, **options: Any) -> Any:
        task = self.app.tasks.get(entry.task)
        apply = task.apply_async if task else partial(self.app.send_task, entry.task)
        headers = {**entry.options["headers"], "celery_beat_task": True}
        options = {**entry.options, **options, "headers": headers}
        return apply(entry.args, entry.kwargs, **options)

    def _is_on_ledger(self, entry: LedgerEntry) -> bool:
        return isinstance(self.app.tasks.get(entry.task), LedgerTask)

    # The schedules

    def setup_schedule(self) -> None:
        """Write the settings' own schedules into the database, as soon as it answers."""
        self._read_what_changed()
        self._is_set_up = self._read_at is not None
        if self._is_set_up:
            super().setup_schedule()

    @property
    def schedule(self) -> dict[str, LedgerEntry]:
        """Every enabled schedule, by name."""
        self._read_what_changed()
        return self._schedule

    def _read_what_changed(self) -> None:
        try:
            _drop_a_broken_connection()
            if abs(carried.ask()) > CLOCK_SET_SECONDS:  # the heap is ordered by time
                self._read_at = None
            changed_at = self.Changes.last_change()  # first: later changes are seen next time
            if changed_at != self._changed_at or self._is_old():
                self._schedule = self.all_as_schedule()
                self._changed_at, self._read_at = changed_at, time.monotonic()
                self._heap_invalidated = True
                logger.info("event=schedules_read schedules=%d", len(self._schedule))
            self._answered = True
        except (DatabaseError, InterfaceError) as error:
            self._answered = False
            logger.warning("event=schedules_not_read error=%r", str(error))

    def _is_old(self) -> bool:
        if self._read_at is None:
            return True
        return time.monotonic() - self._read_at > SCHEDULE_SYNC_MAX_INTERVAL

    def all_as_schedule(self) -> dict[str, LedgerEntry]:
        entries: dict[str, LedgerEntry] = {}
        for model in self.Model.objects.enabled():
            if reason := absent_app_advice(model.task):
                self._leave_out(model, reason)
                continue
            try:
                entries[model.name] = self.Entry(model, app=self.app)
                entries[model.name].go_on_from(self._schedule.get(model.name))
            except (DatabaseError, InterfaceError):
                raise
            except Exception:  # one unusable row must not stop all others
                logger.exception("event=schedule_unusable schedule=%r", model.name)
        return entries

    def _leave_out(self, model: Any, reason: str) -> None:
        if model.name not in self._left_out:
            self._left_out.add(model.name)
            facts = (model.name, model.task, f"it {reason}")
            logger.warning("event=schedule_left_out schedule=%r task=%s reason=%r", *facts)


def _log_left_out(entry: LedgerEntry, reason: LeftOut) -> None:
    logger.info("event=schedule_time_left_out schedule=%r reason=%r", entry.name, str(reason))


def _drop_a_broken_connection() -> None:
    connection = dialects.ledger_connection()
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()


# The row of this process


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
