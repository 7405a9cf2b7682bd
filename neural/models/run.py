"""Runs: the ledger of every piece of work.

A run is written when the work is asked for, not when it ends. Each change of state is
a verb of :class:`TaskRun`, a conditional UPDATE that says whether it happened; the
worker's own changes, many runs in one statement, are in ``neural.ledger.claim`` and
``neural.ledger.settle``.
"""

import datetime as dt
from functools import partial
from typing import Any, Self

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import F, Func, JSONField, Q, Value
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _

from neural.models.event import NeuralEvent
from neural.models.run_log import log_change
from neural.models.store import Store, StoreScopedQuerySet
from neural.models.worker import WorkerProcess


class Without(Func):
    """``Without("options", "expires_at")``: the column's object, without that key."""

    arity = 2
    output_field = JSONField()

    def __init__(self, column: str, key: str, **extra: Any) -> None:
        super().__init__(F(column), Value(key), **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "(%(expressions)s)"
        return self.as_sql(compiler, connection, template=template, arg_joiner=" - ", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "json_remove(%(expressions)s)"
        joiner = ", '$.' || "
        return self.as_sql(compiler, connection, template=template, arg_joiner=joiner, **context)


class RunState(models.TextChoices):
    PENDING = "pending", _("pending")
    RUNNING = "running", _("running")
    SUCCEEDED = "succeeded", _("succeeded")
    DEAD = "dead", _("dead")
    CANCELLED = "cancelled", _("cancelled")
    DISCARDED = "discarded", _("discarded")


FINISHED_STATES = (RunState.SUCCEEDED, RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED)
SET_ASIDE_STATES = (RunState.DEAD, RunState.CANCELLED, RunState.DISCARDED)
# What a retry by a person changes: due at once, with its retries restored.
_RETRIED: dict[str, Any] = {
    "state": RunState.PENDING,
    "failures": 0,
    "losses": 0,
    "unique_key": None,
    "finished_at": None,
    "available_at": Now(),
    "publish_at": Now(),
    "options": Without("options", "expires_at"),  # what a person asks for is wanted
}


class TaskRunQuerySet(StoreScopedQuerySet):
    def due(self, now: dt.datetime | None = None) -> Self:
        """Waiting runs whose time has come (by the database's clock unless given)."""
        return self.filter(state=RunState.PENDING, available_at__lte=now or Now())

    def unpublished(self, now: dt.datetime | None = None) -> Self:
        """Waiting runs that have no message under way."""
        return self.filter(state=RunState.PENDING, publish_at__lte=now or Now())

    def running(self) -> Self:
        return self.filter(state=RunState.RUNNING)

    def dead(self) -> Self:
        """The dead letters."""
        return self.filter(state=RunState.DEAD)

    def by_urgency(self) -> Self:
        return self.order_by("-priority", "available_at", "pk")

    def abandoned(self) -> Self:
        """Running runs that a lost or stopped worker had taken before it went."""
        gone_at = Coalesce("worker__lost_at", "worker__stopped_at")
        return self.running().filter(started_at__lte=gone_at)

    def retry(self) -> int:
        """What :meth:`TaskRun.retry` does to one run, done to all of these; says how many."""
        return self.filter(state__in=SET_ASIDE_STATES).update(**_RETRIED)


class TaskRun(models.Model):
    """One piece of work: what, with which arguments, when due, and what became of it."""

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
    # Held until the first attempt starts: a retry of this run does not stand in a newer one's way.
    unique_key = models.CharField(_("unique key"), max_length=200, null=True, blank=True)  # noqa: DJ001 (NULL is 'not unique')
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")

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
        # No constraint: it would read every run for each worker's row that is pruned.
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
            # Not unique=True: on PostgreSQL that makes a second index, for LIKE, which nobody
            # asks for and every change of a run has to keep.
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
        # Each index stands for one query; docs/ledger.md has them side by side.
        indexes = (
            # Claim: what is due on this queue, most urgent first.
            models.Index(
                fields=["queue", "-priority", "available_at"],
                condition=Q(state=RunState.PENDING),
                name="neural_run_due",
            ),
            # Relay: what is unpublished.
            models.Index(
                fields=["queue", "publish_at"],
                condition=Q(state=RunState.PENDING),
                name="neural_run_unpublished",
            ),
            # Relay: what did a lost worker hold?
            models.Index(
                fields=["worker"], condition=Q(state=RunState.RUNNING), name="neural_run_held"
            ),
            # Admin: dead letters and what people set aside.
            models.Index(
                fields=["state", "-id"],
                condition=Q(state__in=SET_ASIDE_STATES),
                name="neural_run_set_aside",
            ),
            # Admin: one store's runs, newest first; and the scope of users with few stores.
            models.Index(
                fields=["store", "-id"],
                condition=Q(store__isnull=False),
                name="neural_run_by_store",
            ),
            # Admin: one handler's runs; one task's runs.
            models.Index(
                fields=["handler", "-id"], condition=~Q(handler=""), name="neural_run_by_handler"
            ),
            models.Index(
                fields=["task", "-id"], condition=Q(event__isnull=True), name="neural_run_by_task"
            ),
            # Celery's result.children, and the same in the admin.
            models.Index(
                fields=["parent_task_id"],
                condition=~Q(parent_task_id=""),
                name="neural_run_by_parent",
            ),
        )
        permissions = (
            ("retry_taskrun", "Can retry runs"),
            ("hurry_taskrun", "Can start waiting runs now"),
            ("cancel_taskrun", "Can cancel waiting runs"),
            ("discard_taskrun", "Can discard dead runs"),
            ("run_schedule", "Can run schedules now"),
        )

    def __str__(self) -> str:
        return f"{self.work_name} {self.task_id}"

    @property
    def work_name(self) -> str:
        """The handler for an event's run, the task for any other."""
        return self.handler or self.task

    @property
    def goes_alone(self) -> bool:
        """A run that was delivered before is not batched with others: were it poison, it
        would condemn its neighbours. Nor is one with options: its limits are for it alone."""
        return bool(self.failures or self.losses or self.options)

    @property
    def root_id(self) -> str:
        """The task id of the run that all of this began with."""
        return self.options.get("root_id") or self.task_id

    @property
    def expires_at(self) -> dt.datetime | None:
        """When it is no longer wanted, if it has not started."""
        text = self.options.get("expires_at")
        return dt.datetime.fromisoformat(text) if text else None

    @property
    def time_limit(self) -> float | None:
        """The hard limit that the call named, in seconds."""
        limit: float | None = self.options.get("time_limit")
        return limit

    @property
    def attempt_number(self) -> int:
        """Which attempt is under way or was the last, from 1."""
        return self.failures + self.losses + (self.state in (RunState.RUNNING, RunState.SUCCEEDED))

    @property
    def wait(self) -> dt.timedelta | None:
        """From due to started, of the last attempt."""
        return self.started_at - self.available_at if self.started_at else None

    @property
    def duration(self) -> dt.timedelta | None:
        """From started to finished, of the last attempt."""
        if self.started_at is None or self.finished_at is None:
            return None
        return self.finished_at - self.started_at

    # Verbs of people. Each says whether the run was in a state that allows it.

    def retry(self) -> bool:
        """Run a dead, cancelled or discarded run again, with its retries restored."""
        return self._change("retried", SET_ASIDE_STATES, **_RETRIED)

    def revoke(self) -> bool:
        """Withdraw a run even if it is under way: its worker is fenced off."""
        return self._change(
            "revoked",
            (RunState.PENDING, RunState.RUNNING),
            state=RunState.CANCELLED,
            token=None,
            finished_at=Now(),
        )

    def hurry(self) -> bool:
        """Make a waiting run due at once."""
        return self._change("hurried", RunState.PENDING, available_at=Now(), publish_at=Now())

    def cancel(self) -> bool:
        """Withdraw a run that has not started."""
        changes = {"state": RunState.CANCELLED, "finished_at": Now()}
        return self._change("cancelled", RunState.PENDING, **changes)

    def discard(self) -> bool:
        """Decide that a dead run will not be run again."""
        return self._change("discarded", RunState.DEAD, state=RunState.DISCARDED)

    def _change(self, name: str, allowed: RunState | tuple[RunState, ...], **changes: Any) -> bool:
        states = (allowed,) if isinstance(allowed, RunState) else allowed
        rows = type(self).objects.filter(pk=self.pk, state__in=states).update(**changes)
        if rows:
            self.refresh_from_db(fields=list(changes))
            transaction.on_commit(partial(log_change, name, [self]), robust=True)
        return bool(rows)
