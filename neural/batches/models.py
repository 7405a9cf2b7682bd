"""Batches: what waits for many members, which are runs of the ledger or plain Celery tasks.

Whether a batch is over is read from the rows of its members (``neural.batches``): there is no
counter that a lost process could leave wrong.
"""

from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.models.store import Store, StoreScopedQuerySet

NAME_LENGTH = 200
BATCH_ID_LENGTH = 255
TIED = "tied"
"""The option of a batch that the run named by its ``parent_task_id`` closes, or nobody."""
LAST = "last"
"""The option of the first batch that a run makes: the number of the last one in its place."""
IF_ORPHANED = "if_orphaned"
"""The option that says "close" for such a batch if that run ends without having closed it."""


class BatchKind(models.TextChoices):
    """What made a batch."""

    CHORD = "chord", pgettext_lazy("kind of batch", "chord")
    BATCH = "batch", pgettext_lazy("kind of batch", "batch")


class BatchState(models.TextChoices):
    """How far a batch is."""

    OPEN = "open", pgettext_lazy("batch", "open")
    """Members are still added."""
    CLOSED = "closed", pgettext_lazy("batch", "closed")
    """Its members are known, except those that its members add."""
    ENDED = "ended", pgettext_lazy("batch", "ended")


class BatchOutcome(models.TextChoices):
    """What became of a batch."""

    SUCCEEDED = "succeeded", pgettext_lazy("batch", "succeeded")
    FAILED = "failed", pgettext_lazy("batch", "failed")
    """A member is dead or discarded, or a plain one has failed."""
    CANCELLED = "cancelled", pgettext_lazy("batch", "cancelled")
    """The batch was cancelled, or no member failed and one was cancelled."""


class BatchQuerySet(StoreScopedQuerySet):
    """Batches, and what a retry of their members does to them."""

    def reopen(self, runs: Any) -> None:
        """Let the batches of these runs, which are about to be retried in the same transaction, end
        anew, if they were made with ``reopens``."""
        # Also those that have not ended: whoever ends one at this moment has locked it, and this
        # waits and then sees its end.
        theirs = self.filter(pk__in=runs.filter(batch__isnull=False).values("batch"))
        theirs.filter(options__reopens=True).update(
            state=Case(When(state="ended", then=Value("closed")), default="state"),
            outcome=Case(When(state="ended", then=Value("")), default="outcome"),
            ended_at=None,
        )


class Batch(models.Model):
    """A chord's header, or the members that a caller put together. Its members are
    ``TaskRun.batch`` and :class:`AwaitedMember`."""

    batch_id = models.CharField(_("batch id"), max_length=BATCH_ID_LENGTH)
    """Of a chord: Celery's id of its header's group."""
    kind = models.CharField(_("kind"), max_length=10, choices=BatchKind.choices)
    name = models.CharField(_("name"), max_length=NAME_LENGTH, blank=True, default="")
    state = models.CharField(
        _("state"), max_length=10, choices=BatchState.choices, default=BatchState.OPEN
    )
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=BatchOutcome.choices, blank=True, default=""
    )
    """Empty until it has ended, except that CANCELLED is set when it is cancelled."""
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    closed_at = models.DateTimeField(pgettext_lazy("batch", "closed at"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)
    requested_by = models.CharField(_("requested by"), max_length=150, blank=True, default="")
    store = models.ForeignKey(
        Store,
        models.PROTECT,
        verbose_name=_("store"),
        related_name="batches",
        null=True,
        blank=True,
        db_index=False,
    )
    parent_task_id = models.CharField(_("parent task id"), max_length=255, blank=True, default="")
    options = models.JSONField(
        _("options"), default=dict, blank=True, encoder=DjangoJSONEncoder, editable=False
    )
    """Of a chord: ``body``, Celery's signature. Of a batch: the signatures ``on_complete``,
    ``on_success`` and ``on_death``, ``reopens``, :data:`TIED` and :data:`IF_ORPHANED`."""
    size = models.PositiveIntegerField(_("members"), null=True, blank=True)
    """How many members a chord has, as far as that is known."""
    death_noted_at = models.DateTimeField(_("first death noted at"), null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = _("batch")
        verbose_name_plural = _("batches")
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(fields=["batch_id"], name="neural_batch_id_once"),
            models.CheckConstraint(
                condition=Q(state__in=BatchState.values), name="neural_batch_known_state"
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=["", *BatchOutcome.values]),
                name="neural_batch_known_outcome",
            ),
            models.CheckConstraint(
                condition=Q(state="ended", ended_at__isnull=False)
                | ~Q(state="ended") & Q(ended_at__isnull=True),
                name="neural_batch_ended_has_time",
            ),
        )
        indexes = (
            # Relay: those to ask whether they are over.
            models.Index(
                fields=["id"], condition=Q(ended_at__isnull=True), name="neural_batch_not_ended"
            ),
            # Admin: the batches of one store, newest first.
            models.Index(
                fields=["store", "-id"],
                condition=Q(store__isnull=False),
                name="neural_batch_by_store",
            ),
        )
        permissions = (("cancel_batch", "Can cancel batches"),)

    def __str__(self) -> str:
        return f"{self.name or self.kind} {self.batch_id}"


class AwaitedState(models.TextChoices):
    """What became of a member that is no run of the ledger."""

    OPEN = "open", pgettext_lazy("member of a batch", "open")
    SUCCEEDED = "succeeded", pgettext_lazy("member of a batch", "succeeded")
    FAILED = "failed", pgettext_lazy("member of a batch", "failed")
    REVOKED = "revoked", pgettext_lazy("member of a batch", "revoked")


AS_RUNS = {
    AwaitedState.OPEN: "pending",
    AwaitedState.SUCCEEDED: "succeeded",
    AwaitedState.FAILED: "dead",
    AwaitedState.REVOKED: "cancelled",
}
"""The states of runs (``RunState``, whose module needs this one) that say the same."""


OF_NO_BATCH = ""
"""The ``batch_key`` of tasks that a dead run has not started."""


class AwaitedMember(models.Model):
    """A member that is no run of the ledger (a plain Celery task), or none yet (the last task of a
    chain, the body of an inner chord). No foreign key: a plain worker may report its end before the
    batch is recorded."""

    batch_key = models.CharField(max_length=BATCH_ID_LENGTH)
    """The ``batch_id`` of its batch."""
    task_id = models.CharField(_("task id"), max_length=255)
    group_index = models.PositiveIntegerField(null=True, blank=True)
    """Its place in the results."""
    led_by = models.JSONField(default=list)
    """The task ids of what leads to it: the tasks before it in its chain, the run that sends it."""
    state = models.CharField(
        _("state"), max_length=10, choices=AwaitedState.choices, default=AwaitedState.OPEN
    )
    value = models.JSONField(_("result"), null=True, blank=True, encoder=DjangoJSONEncoder)
    error = models.CharField(_("last error"), max_length=500, blank=True, default="")
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    ended_at = models.DateTimeField(_("ended at"), null=True, blank=True)

    class Meta:
        verbose_name = _("member of a batch")
        verbose_name_plural = _("members of batches")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(
                fields=["batch_key", "task_id"], name="neural_awaited_member_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=AwaitedState.values), name="neural_awaited_known_state"
            ),
            models.CheckConstraint(
                condition=Q(state="open", ended_at__isnull=True)
                | ~Q(state="open") & Q(ended_at__isnull=False),
                name="neural_awaited_ended_has_time",
            ),
        )
        indexes = (
            # Whether a batch is over.
            models.Index(
                fields=["batch_key", "task_id"],
                condition=Q(ended_at__isnull=True),
                name="neural_awaited_open",
            ),
        )

    def __str__(self) -> str:
        return f"{self.batch_key}: {self.task_id}"
