"""Runs: the ledger's row for every piece of work, and the changes that people make to it.

A run is written when work is requested, not when the work ends. Each change by a person is a
method of :class:`TaskRun`: a conditional UPDATE that returns whether it happened. Workers change
many runs in one statement (``neural.ledger.claim`` and ``neural.ledger.settle``).
"""

import datetime as dt
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple, Self

from django.core.exceptions import EmptyResultSet
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import F, Func, JSONField, Q, Value
from django.db.models.functions import Coalesce, Greatest, Now
from django.db.models.sql import UpdateQuery
from django.utils.translation import gettext_lazy as _

from neural.batches.models import Batch
from neural.events.models import NeuralEvent
from neural.models.store import Store, StoreScopedQuerySet
from neural.runs.models.run_ends import notify_ended
from neural.runs.models.run_log import log_change
from neural.worker.models import WorkerProcess


class Without(Func):
    """A database expression: a JSON object column without these keys.

    ``Without("options", "expires_at")`` is the object in ``options`` without ``expires_at``.
    """

    output_field = JSONField()

    def __init__(self, column: str, *keys: str, **extra: Any) -> None:
        super().__init__(F(column), *map(Value, keys), **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "json_remove(%(expressions)s)"
        joiner = ", '$.' || "
        return self.as_sql(compiler, connection, template=template, arg_joiner=joiner, **context)


NO_LIMITS = ("headers", "root_id", "group_id", "group_index", "progress")
"""Options that may differ in a batch: headers (a trace), to what the run belongs, and how far it
is."""


def has_limits(options: Mapping[str, Any]) -> bool:
    """Whether options of a run must hold for it alone."""
    return not options.keys() <= set(NO_LIMITS)


class RunState(models.TextChoices):
    """The states of a run; docs/explanation/ledger.md explains them."""

    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    DEAD = "dead", _("dead")
    CANCELLED = "cancelled", _("cancelled")
    DISCARDED = "discarded", _("discarded")


FINISHED_STATES = (RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED)
SET_ASIDE_STATES = (RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED)
EDITABLE_STATES = (*SET_ASIDE_STATES, RunState.PENDING)
# The changes of a retry by a person: the run is due at once, with its retries restored.
_RETRIED: dict[str, Any] = {
    "state": RunState.PENDING,
    "failures": 0,
    "losses": 0,
    "unique_key": None,
    "finished_at": None,
    "available_at": Now(),
    "publish_at": Now(),
    "options": Without("options", "expires_at"),  # a person wants this run, even if it is late
}
_HURRIED: dict[str, Any] = {"available_at": Now(), "publish_at": Now()}
_CANCELLED: dict[str, Any] = {"state": RunState.CANCELLED, "finished_at": Now()}
_DISCARDED: dict[str, Any] = {"state": RunState.DISCARDED}
_TOLD = "id, task_id, task, handler, event_id, store_id, queue, batch_id, options, state"
"""The columns that are loaded of runs that people end, for those who are told."""


class TaskRunQuerySet(StoreScopedQuerySet):
    """Runs, with filters by state and time."""

    def due(self, now: dt.datetime | None = None) -> Self:
        """Pending runs that are due (at the database's current time unless ``now`` is given)."""
        return self.filter(state=RunState.PENDING, available_at__lte=now or Now())

    def unpublished(self, now: dt.datetime | None = None) -> Self:
        """Pending runs whose next message is due (at the database's current time unless ``now`` is
        given)."""
        return self.filter(state=RunState.PENDING, publish_at__lte=now or Now())

    def running(self) -> Self:
        """Runs that a worker has claimed and not settled yet."""
        return self.filter(state=RunState.RUNNING)

    def dead(self) -> Self:
        """Dead letters: runs that are not retried until a person decides."""
        return self.filter(state=RunState.DEAD)

    def by_urgency(self) -> Self:
        """Most urgent first; runs of equal priority in the order in which they are due."""
        return self.order_by("-priority", "available_at", "pk")

    def abandoned(self) -> Self:
        """Running runs whose worker was lost or has stopped after it claimed them."""
        gone_at = Coalesce("worker__lost_at", "worker__stopped_at")
        return self.running().filter(started_at__lte=gone_at)

    def retry(self) -> int:
        """Retry all of these runs, like :meth:`TaskRun.retry`. Returns how many were retried."""
        retried = self.filter(state__in=SET_ASIDE_STATES)
        with transaction.atomic(savepoint=False):
            Batch.objects.reopen(retried)
            return retried.update(**_RETRIED)

    def hurry(self) -> int:
        """Make those of these runs that are pending due at once. Returns how many there were."""
        return self.filter(state=RunState.PENDING).update(**_HURRIED)

    def move(self, *, queue: str) -> int:
        """Give those of these runs that are pending or set aside to another queue. Returns how many
        there were."""
        # A waiting run needs a message on its new queue: at once, or when it is due.
        moved = {"queue": queue, "publish_at": Greatest(F("available_at"), Now())}
        return self.filter(state__in=EDITABLE_STATES).update(**moved)

    def cancel(self) -> int:
        """Cancel those of these runs that are pending. Returns how many there were."""
        return self.filter(state=RunState.PENDING)._end(**_CANCELLED)

    def discard(self) -> int:
        """Decide that those of these runs that are dead stay undone. Returns how many there
        were."""
        return self.dead()._end(**_DISCARDED)

    def _end(self, **changes: Any) -> int:
        """Update these runs and tell who listens to runs that end, in one transaction; Django's
        ``update()`` does not say which they were."""
        self._for_write = True
        query: Any = self.query.chain(UpdateQuery)
        query.annotations = {}
        query.add_update_values(changes)
        try:
            update, values = query.get_compiler(self.db).as_sql()
        except EmptyResultSet:
            return 0
        with transaction.atomic(using=self.db, savepoint=False):
            runs = TaskRun.objects.using(self.db).raw(f"{update} RETURNING {_TOLD}", values)
            ended = [Ended(run, RunState(run.state)) for run in runs]
            if ended:
                notify_ended(ended)
        return len(ended)


class TaskRun(models.Model):
    """One piece of work: the task or handler, its arguments, when it is due, and its outcome."""

    task_id = models.CharField(_("task id"), max_length=255)
    task = models.CharField(_("task"), max_length=255)
    handler = models.CharField(_("handler"), max_length=200, blank=True, default="")
    event = models.ForeignKey(
        NeuralEvent,
        models.PROTECT,
        verbose_name=_("event"),
        related_name="runs",
        null=True,
        blank=True,
        db_index=False,
    )
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        verbose_name=_("store"),
        related_name="runs",
        null=True,
        blank=True,
        db_index=False,
    )
    args = models.JSONField(_("arguments"), default=list, encoder=DjangoJSONEncoder)
    kwargs = models.JSONField(_("keyword arguments"), default=dict, encoder=DjangoJSONEncoder)
    options = models.JSONField(
        _("options"), default=dict, blank=True, encoder=DjangoJSONEncoder, editable=False
    )
    parent_task_id = models.CharField(_("parent task id"), max_length=255, blank=True, default="")
    queue = models.CharField(_("queue"), max_length=100)
    priority = models.PositiveSmallIntegerField(
        _("priority"), default=5, help_text=_("10 is most urgent, 1 least.")
    )
    # Cleared when the first attempt starts, so that a retry of this run does not block a newer run.
    unique_key = models.CharField(_("unique key"), max_length=200, null=True, blank=True)  # noqa: DJ001 (NULL is 'not unique')
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    batch = models.ForeignKey(
        Batch,
        # No constraint, like that of ``worker``; a batch is pruned after its runs.
        models.DO_NOTHING,
        verbose_name=_("batch"),
        related_name="runs",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
    )

    state = models.CharField(
        _("state"), max_length=10, choices=RunState.choices, default=RunState.PENDING
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    available_at = models.DateTimeField(_("due at"), db_default=Now())
    publish_at = models.DateTimeField(_("message due at"), db_default=Now())
    failures = models.PositiveSmallIntegerField(_("failed attempts"), default=0)
    losses = models.PositiveSmallIntegerField(_("lost deliveries"), default=0)

    token = models.BigIntegerField(_("fencing token"), null=True, blank=True)
    worker = models.ForeignKey(
        WorkerProcess,
        # No constraint: the database would read every run for each worker's row that is pruned.
        models.DO_NOTHING,
        verbose_name=_("worker"),
        related_name="runs",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
    )
    process_id = models.PositiveIntegerField(_("process id"), null=True, blank=True)
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True, encoder=DjangoJSONEncoder)
    error = models.CharField(_("last error"), max_length=500, blank=True, default="")

    objects = TaskRunQuerySet.as_manager()

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = (
            # Not unique=True: on PostgreSQL that makes a second index, for LIKE. No query uses it,
            # and every change of a run would have to update it.
            models.UniqueConstraint(fields=["task_id"], name="neural_run_task_id"),
            models.UniqueConstraint(
                "event",
                "handler",
                condition=Q(event__isnull=False),
                name="neural_run_once_a_handler",
            ),
            models.UniqueConstraint(
                "unique_key",
                condition=Q(state=RunState.PENDING, unique_key__isnull=False),
                name="neural_run_unique_waits_once",
            ),
            models.CheckConstraint(
                condition=Q(state__in=RunState.values), name="neural_run_known_state"
            ),
            models.CheckConstraint(
                condition=Q(priority__range=(1, 10)), name="neural_run_priority_1_to_10"
            ),
            models.CheckConstraint(
                condition=~Q(state=RunState.RUNNING)
                | Q(token__isnull=False, started_at__isnull=False),
                name="neural_run_running_has_token",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=FINISHED_STATES) | Q(finished_at__isnull=False),
                name="neural_run_finished_has_time",
            ),
        )
        # Each index serves one query; docs/explanation/ledger.md lists them.
        indexes = (
            # Claim: the due runs of a queue, most urgent first.
            models.Index(
                fields=["queue", "-priority", "available_at"],
                condition=Q(state=RunState.PENDING),
                name="neural_run_due",
            ),
            # Relay: the unpublished runs of a queue.
            models.Index(
                fields=["queue", "publish_at"],
                condition=Q(state=RunState.PENDING),
                name="neural_run_unpublished",
            ),
            # Relay: the runs that a lost worker held.
            models.Index(
                fields=["worker"], condition=Q(state=RunState.RUNNING), name="neural_run_held"
            ),
            # Admin: dead letters, and runs that people cancelled or discarded.
            models.Index(
                fields=["state", "-id"],
                condition=Q(state__in=SET_ASIDE_STATES),
                name="neural_run_set_aside",
            ),
            # Admin: a search in the texts of errors.
            models.Index(fields=["-id"], condition=~Q(error=""), name="neural_run_with_error"),
            # Admin: one store's runs, newest first; also for users who may see few stores.
            models.Index(
                fields=["store", "-id"],
                condition=Q(store__isnull=False),
                name="neural_run_by_store",
            ),
            # Admin: the runs of one handler, or of one task.
            models.Index(
                fields=["handler", "-id"], condition=~Q(handler=""), name="neural_run_by_handler"
            ),
            models.Index(
                fields=["task", "-id"], condition=Q(event__isnull=True), name="neural_run_by_task"
            ),
            # Celery's result.children, and a run's children in the admin.
            models.Index(
                fields=["parent_task_id"],
                condition=~Q(parent_task_id=""),
                name="neural_run_by_parent",
            ),
            # Whether a batch is over; its members by state, in the admin.
            models.Index(
                fields=["batch", "state", "-id"],
                condition=Q(batch__isnull=False),
                name="neural_run_by_batch",
            ),
        )
        permissions = (
            ("retry_taskrun", "Can retry runs"),
            ("hurry_taskrun", "Can start waiting runs now"),
            ("cancel_taskrun", "Can cancel waiting runs"),
            ("discard_taskrun", "Can discard dead runs"),
            ("move_taskrun", "Can move waiting runs to another queue"),
            ("edit_taskrun", "Can edit runs and retry them"),
            ("run_schedule", "Can run schedules now"),
        )

    def __str__(self) -> str:
        return f"{self.work_name} {self.task_id}"

    @property
    def work_name(self) -> str:
        """The handler for an event's run, the task for any other."""
        return self.handler or self.task

    @property
    def may_be_edited(self) -> bool:
        """Whether a person may change what it works on: it is set aside, or has failed and waits.

        A run that has not been tried yet is as its caller wants it: cancel it first.
        """
        has_failed = self.state == RunState.PENDING and bool(self.failures or self.losses)
        return self.state in SET_ASIDE_STATES or has_failed

    @property
    def goes_alone(self) -> bool:
        """Whether the run is never batched with others.

        A run that has failed or was lost before goes alone: if it is poison, it would take its
        neighbours down. So does a run with limits of its own.
        """
        return bool(self.failures or self.losses or has_limits(self.options))

    @cached_property
    def given_names(self) -> Counter[int]:
        """How often the attempt for which this row was claimed has given names
        (``neural.batches.naming``), by their hashes."""
        return Counter()

    @property
    def root_id(self) -> str:
        """The task id of the run that started the workflow to which this run belongs."""
        return self.options.get("root_id") or self.task_id

    @property
    def shown_arguments(self) -> tuple[Any, Any]:
        """The arguments as people may see them: the caller's ``argsrepr`` and ``kwargsrepr``, which
        may hide secrets, in place of the values."""
        shown = self.options.get
        return shown("argsrepr", self.args), shown("kwargsrepr", self.kwargs)

    @property
    def progress(self) -> Mapping[str, Any] | None:
        """The ``state`` and ``meta`` that the attempt under way has shown last
        (``update_state``), or the last one if it ended by ``Ignore``; None without any."""
        shown: Mapping[str, Any] = self.options.get("progress") or {}
        is_ignored = self.state == RunState.DISCARDED and not self.error
        is_current = self.state == RunState.RUNNING and shown.get("token") == self.token
        return shown if shown and (is_current or is_ignored) else None

    def show_progress(self, state: str, meta: Any) -> bool:
        """Keep how far the attempt under way is, until it ends. Returns whether it was under
        way still."""
        self.options |= {"progress": {"state": state, "meta": meta, "token": self.token}}
        own = TaskRun.objects.running().filter(pk=self.pk, token=self.token)
        return bool(own.update(options=self.options))

    @property
    def expires_at(self) -> dt.datetime | None:
        """The time after which the run is cancelled if it has not started; None without one."""
        text = self.options.get("expires_at")
        return dt.datetime.fromisoformat(text) if text else None

    @property
    def time_limit(self) -> float | None:
        """The hard time limit of the call, in seconds; None without one."""
        limit: float | None = self.options.get("time_limit")
        return limit

    @property
    def attempt_number(self) -> int:
        """The number of the attempt that is under way or was the last, counted from 1."""
        return self.failures + self.losses + (self.state in (RunState.RUNNING, RunState.SUCCEEDED))

    @property
    def wait(self) -> dt.timedelta | None:
        """How long the last attempt waited, from due to started; None before the first start."""
        return self.started_at - self.available_at if self.started_at else None

    @property
    def duration(self) -> dt.timedelta | None:
        """How long the last attempt took, from started to finished; None before it has finished."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at

    # Changes by people. Each returns whether the run was in a state that allows the change.

    def retry(self) -> bool:
        """Make a dead, cancelled or discarded run due again, with its retries restored. Returns
        whether it was in one of these states."""
        return self._retry("retried", SET_ASIDE_STATES, **_RETRIED)

    def retry_with(self, *, args: list[Any], kwargs: dict[str, Any]) -> bool:
        """Retry the run with other arguments, also one that waits for its next attempt. Returns
        whether it was in one of these states."""
        changes = {**_RETRIED, "args": args, "kwargs": kwargs}
        return self._retry("edited", EDITABLE_STATES, **changes)

    def supersede(self) -> bool:
        """Discard the run because another one does its work with other content. Returns whether
        it was set aside, or waited for its next attempt."""
        finished_at = Coalesce("finished_at", Now())
        changes = {"state": RunState.DISCARDED, "finished_at": finished_at}
        return self._end("superseded", EDITABLE_STATES, **changes)

    def revoke(self) -> bool:
        """Cancel a pending or running run. A worker that has it is fenced: it can no longer settle
        the run. Returns whether the run was pending or running."""
        return self._end(
            "revoked",
            (RunState.PENDING, RunState.RUNNING),
            state=RunState.CANCELLED,
            token=None,
            finished_at=Now(),
        )

    def hurry(self) -> bool:
        """Make a pending run due at once. Returns whether it was pending."""
        return self._change("hurried", RunState.PENDING, **_HURRIED)

    def cancel(self) -> bool:
        """Cancel a pending run. Returns whether it was pending."""
        return self._end("cancelled", RunState.PENDING, **_CANCELLED)

    def discard(self) -> bool:
        """Decide that a dead run will not be retried. Returns whether it was dead."""
        return self._end("discarded", RunState.DEAD, **_DISCARDED)

    def _retry(self, name: str, allowed: tuple[RunState, ...], **changes: Any) -> bool:
        if self.batch_id is None:
            return self._change(name, allowed, **changes)
        with transaction.atomic():
            mine = type(self).objects.filter(pk=self.pk, state__in=allowed)
            Batch.objects.reopen(mine)
            return self._change(name, allowed, **changes)

    def _end(self, name: str, allowed: RunState | tuple[RunState, ...], **changes: Any) -> bool:
        with transaction.atomic(savepoint=False):
            changed = self._change(name, allowed, **changes)
            if changed:
                notify_ended([Ended(self, RunState(self.state))])
        return changed

    def _change(self, name: str, allowed: RunState | tuple[RunState, ...], **changes: Any) -> bool:
        states = (allowed,) if isinstance(allowed, RunState) else allowed
        rows = type(self).objects.filter(pk=self.pk, state__in=states).update(**changes)
        if rows:
            self.refresh_from_db(fields=list(changes))
            transaction.on_commit(lambda: log_change(name, [self]), robust=True)
        return bool(rows)


class Ended(NamedTuple):
    """A run that has ended: it succeeded, is dead, was cancelled (by a person, or because it
    expired), or was discarded, which may be a second end of one that was dead.

    ``error_type`` names the class of the exception if an attempt has just raised it. ``value`` is
    that of a run that succeeded.
    """

    run: TaskRun
    state: RunState
    error_type: str = ""
    value: Any = None
