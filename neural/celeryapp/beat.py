"""Beat on the ledger: ``CELERY_BEAT_SCHEDULER = "neural.celeryapp.beat:LedgerScheduler"``.

Schedules are django-celery-beat's rows, edited in the admin. What holds, beyond its own
scheduler:

* **A ledger task's due moment is recorded once.** The run and the schedule's ``last_run_at``
  commit together, and the run's task id says which schedule and which moment. So a beat that
  is killed neither doubles nor loses a run, two beats record each moment once, and the broker
  is not needed: the relay publishes what could not be.
* **A plain Celery task is sent at most once a moment**: ``last_run_at`` is written first. The
  broker is asked before that, in half a second; while it is away the schedule stays due and
  is sent once when it is back. What is lost is the moment at which beat is killed, or the
  broker breaks, between the two steps; the latter is logged.
* **Moments missed while beat was down are made up for by one run**, as Celery does, when beat
  starts (django-celery-beat leaves a daily crontab out until its hour comes near again).
* **What is due is told by the database's clock**, whatever the host's says. A last run that is
  still to come (written by a host whose clock was ahead) silences no schedule: it counts from
  when beat reads it.
* **Edits** in the admin, or by ``save()``, take effect within five seconds. After
  ``queryset.update()`` call ``PeriodicTasks.update_changed()``; else it takes five minutes.
  Only disabling by ``update()`` is heeded at once.
* **The database may be away**: beat says so and goes on with what it read last; what is due
  then is recorded when the database is back.
* **What belongs to an app of Neural that is not installed is left out**, and said once: its row
  stays as people left it, and is due again when the app is. A name that nobody here knows is
  sent all the same, as Celery does: it may be a task of other code.

What the ledger refuses (an unknown queue, a priority of 0) is logged and waits for the
schedule's next moment. Schedules and ledger must be in one database.
"""

import datetime as dt
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.schedules import schedstate
from django.db import DatabaseError, InterfaceError, OperationalError, transaction
from django_celery_beat.schedulers import SCHEDULE_SYNC_MAX_INTERVAL, DatabaseScheduler
from kombu import Producer

from neural.broker.connections import short_tempered_connection
from neural.broker.publisher import BrokerUnavailable, publisher
from neural.celeryapp.schedules import LedgerEntry
from neural.celeryapp.task import LedgerTask
from neural.ledger import dialects
from neural.ledger.clock import carried
from neural.models import TaskRun
from neural.optional import said_of_an_absent_task

logger = logging.getLogger(__name__)

CLOCK_SET_SECONDS = 1
"""A database's clock that differs by more from what beat makes of it has been set."""
REQUESTED_BY_LENGTH: int = TaskRun._meta.get_field("requested_by").max_length or 0


class LedgerScheduler(DatabaseScheduler):
    """django-celery-beat's scheduler, recording in the ledger what is due (see above)."""

    Entry = LedgerEntry
    # The parent's would wait here for a broker that is away, for ever, before anything is due.
    producer = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._schedule: dict[str, LedgerEntry] = {}
        self._read_at: float | None = None
        self._changed_at: dt.datetime | None = None
        self._is_set_up = False
        self._left_out: set[str] = set()
        super().__init__(*args, **kwargs)

    # What is due

    def tick(self, *args: Any, **kwargs: Any) -> float:
        if not self._is_set_up:
            self.setup_schedule()
        return super().tick(*args, **kwargs)

    def is_due(self, entry: LedgerEntry) -> Any:
        """Whether the entry was due and has been seen to.

        Seen to here, because the parent looks again soon only at what is not due: what could
        not be recorded now must not wait for its next moment.
        """
        state = super().is_due(entry)
        if not state[0] or self._see_to(entry):
            return state
        return schedstate(False, self.max_interval)

    def reserve(self, entry: LedgerEntry) -> LedgerEntry:
        return entry  # it has moved on already

    def apply_entry(self, entry: LedgerEntry, producer: Any = None) -> None:
        """Nothing: ``is_due`` has done it."""

    def _see_to(self, entry: LedgerEntry) -> bool:
        see_to = self._record if self._is_on_ledger(entry) else self._send
        try:
            see_to(entry, entry._default_now())
        except (OperationalError, InterfaceError, BrokerUnavailable) as error:
            logger.warning("event=schedule_waits schedule=%r reason=%r", entry.name, str(error))
            return False
        return True

    def _record(self, entry: LedgerEntry, now: dt.datetime) -> None:
        task_id = entry.run_id
        with transaction.atomic(using=dialects.ledger_connection().alias):
            if not self._take(entry, now):
                return
            requested_by = entry.name[:REQUESTED_BY_LENGTH]
            self._ask_for(entry, self._apply, task_id=task_id, requested_by=requested_by)
        entry.taken(now)
        logger.info("event=schedule_recorded schedule=%r run=%s", entry.name, task_id)

    def _send(self, entry: LedgerEntry, now: dt.datetime) -> None:
        publisher().must_accept()  # raises while it is away, or refuses
        if not self._take(entry, now):
            return
        entry.taken(now)
        self._ask_for(entry, self._publish)

    def _take(self, entry: LedgerEntry, now: dt.datetime) -> bool:
        taken = entry.take(now)
        if not taken:  # by another beat, or it was edited: read it again
            self._read_at = None
        return taken

    def _ask_for(self, entry: LedgerEntry, ask: Callable[..., Any], **options: Any) -> None:
        """What is refused today would be refused again in a second: it has had its turn."""
        try:
            with transaction.atomic(using=dialects.ledger_connection().alias):
                ask(entry, **options)
        except (OperationalError, InterfaceError):
            raise
        except Exception:
            logger.exception("event=schedule_refused schedule=%r task=%s", entry.name, entry.task)

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
            if abs(carried.ask()) > CLOCK_SET_SECONDS:  # the heap is in order of times
                self._read_at = None
            changed_at = self.Changes.last_change()  # first: what changes meanwhile is seen next
            if changed_at != self._changed_at or self._is_old():
                self._schedule = self.all_as_schedule()
                self._changed_at, self._read_at = changed_at, time.monotonic()
                self._heap_invalidated = True
                logger.info("event=schedules_read schedules=%d", len(self._schedule))
        except (DatabaseError, InterfaceError) as error:
            logger.warning("event=schedules_not_read error=%r", str(error))

    def _is_old(self) -> bool:
        if self._read_at is None:
            return True
        return time.monotonic() - self._read_at > SCHEDULE_SYNC_MAX_INTERVAL

    def all_as_schedule(self) -> dict[str, LedgerEntry]:
        entries: dict[str, LedgerEntry] = {}
        for model in self.Model.objects.enabled():
            if said := said_of_an_absent_task(model.task):
                self._leave_out(model, said)
                continue
            try:
                entries[model.name] = self.Entry(model, app=self.app)
            except (DatabaseError, InterfaceError):
                raise
            except Exception:  # one row that cannot be used must not stop all others
                logger.exception("event=schedule_unusable schedule=%r", model.name)
        return entries

    def _leave_out(self, model: Any, said: str) -> None:
        if model.name not in self._left_out:
            self._left_out.add(model.name)
            told = (model.name, model.task, f"it {said}")
            logger.warning("event=schedule_left_out schedule=%r task=%s reason=%r", *told)


def _drop_a_broken_connection() -> None:
    connection = dialects.ledger_connection()
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
