"""Bulk actions: one verb on all runs that match, done in slices by runs in the ledger.

Its items say what became of each run.
"""

import datetime as dt
from typing import Any

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.runs.models.run import FINISHED_STATES, TaskRun


class BulkVerb(models.TextChoices):
    """What a bulk action does to each run."""

    RETRY = "retry", _("Retry")
    HURRY = "hurry", _("Retry now")
    CANCEL = "cancel", _("Cancel")
    DISCARD = "discard", _("Discard")
    MOVE = "move", _("Move to another queue")


class BulkActionState(models.TextChoices):
    """How far a bulk action is."""

    WAITING = "waiting", pgettext_lazy("bulk action", "waiting")
    RUNNING = "running", pgettext_lazy("bulk action", "running")
    STOPPED = "stopped", pgettext_lazy("bulk action", "stopped")
    """By a person, or because the user who asked may no longer do it; can be resumed."""
    FINISHED = "finished", pgettext_lazy("bulk action", "finished")


UNDER_WAY = (BulkActionState.WAITING, BulkActionState.RUNNING)


class BulkAction(models.Model):
    """A verb that a person applies to many runs: those named, or all that match a query.

    The runs are read in the order of their keys up to ``up_to``, so that runs which come later are
    not touched and a restart goes on behind ``position``. Each slice checks anew what its user may
    see and do.
    """

    verb = models.CharField(_("action"), max_length=10, choices=BulkVerb.choices)
    query = models.JSONField(_("filter"), default=dict)
    """Parameters of :class:`neural.runs.query.RunQuery`, with times instead of periods."""
    run_ids = models.JSONField(_("runs"), null=True, blank=True)
    """The primary keys of the runs: those that were chosen, or that matched the query when it was
    begun. None: they were too many to count, and all that match the query are meant."""
    values = models.JSONField(default=dict)
    """What the verb needs: the queue to move to."""
    reason = models.CharField(_("reason"), max_length=500)
    pace = models.PositiveIntegerField(_("runs a second"), null=True, blank=True)
    """At most so many; None: as fast as it goes."""
    requested_by = models.CharField(_("requested by"), max_length=150)
    user_id = models.CharField(max_length=255)
    """The user's primary key as text, as in the audit log."""
    token = models.CharField(max_length=64, unique=True)
    """Of the form that asked for it: a form that is sent twice asks once."""
    state = models.CharField(
        _("state"),
        max_length=10,
        choices=BulkActionState.choices,
        default=BulkActionState.WAITING,
    )
    up_to = models.BigIntegerField()
    position = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(null=True, blank=True)
    """How many runs matched at the preview; None if there were too many to count."""
    changed = models.BigIntegerField(_("changed"), default=0)
    unfit = models.BigIntegerField(_("left as they were"), default=0)
    """Runs that were in no state for the verb when their turn came."""
    failed = models.BigIntegerField(_("failed"), default=0)
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    started_at = models.DateTimeField(_("started at"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished at"), null=True, blank=True)
    next_at = models.DateTimeField(null=True, blank=True)
    """When the pace allows the next slice."""
    stopped_by = models.CharField(_("stopped by"), max_length=150, blank=True, default="")
    stop_reason = models.CharField(_("why it stopped"), max_length=500, blank=True, default="")
    run = models.ForeignKey(
        TaskRun,
        models.DO_NOTHING,
        related_name="+",
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
    )
    """The run that does its present slice."""

    class Meta:
        verbose_name = _("bulk action")
        verbose_name_plural = _("bulk actions")
        default_permissions = ("view",)
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=BulkActionState.values), name="neural_bulk_known_state"
            ),
            models.CheckConstraint(
                condition=Q(verb__in=BulkVerb.values), name="neural_bulk_known_verb"
            ),
        )
        indexes = (
            models.Index(
                fields=["-id"],
                condition=Q(state__in=["waiting", "running"]),
                name="neural_bulk_under_way",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_verb_display()} #{self.pk}"

    @property
    def is_of_chosen(self) -> bool:
        """Whether a person chose its runs one by one."""
        return not self.query

    @property
    def done(self) -> int:
        """How many runs have had their turn."""
        return self.changed + self.unfit + self.failed

    @property
    def is_under_way(self) -> bool:
        """Whether it goes on by itself."""
        return self.state in UNDER_WAY

    @property
    def is_stalled(self) -> bool:
        """Whether nobody does its next slice: a person has cancelled its run, say."""
        return self.is_under_way and _is_abandoned(self.pk)

    @property
    def can_resume(self) -> bool:
        """Whether it has stopped before its end."""
        return self.state == BulkActionState.STOPPED or self.is_stalled

    def advance(
        self, *, position: int, outcomes: "dict[str, int]", next_at: dt.datetime | None
    ) -> None:
        """Record a slice, in the transaction that did it."""
        self._change(
            UNDER_WAY,
            state=BulkActionState.RUNNING,
            position=position,
            next_at=next_at,
            started_at=Coalesce("started_at", Now()),
            **{name: F(name) + number for name, number in outcomes.items()},
        )

    def finish(self) -> bool:
        """Record that all runs have had their turn. Returns whether it was under way."""
        return self._change(UNDER_WAY, state=BulkActionState.FINISHED, finished_at=Now())

    def stop(self, *, by: str = "", reason: str = "") -> bool:
        """Do no further slice. ``by`` is empty if no person stopped it. Returns whether it was
        under way."""
        changes = {"stopped_by": by, "stop_reason": reason[:500]}
        return self._change(UNDER_WAY, state=BulkActionState.STOPPED, **changes)

    def resume(self) -> bool:
        """Go on behind the last slice. Returns whether it had stopped, or was under way."""
        allowed = (*UNDER_WAY, BulkActionState.STOPPED)
        return self._change(
            allowed, state=BulkActionState.WAITING, stopped_by="", stop_reason="", next_at=None
        )

    def hand_to(self, run: TaskRun) -> None:
        """Record the run that does the next slice."""
        self._change(UNDER_WAY, run=run)

    def _change(self, allowed: tuple[BulkActionState, ...], **changes: Any) -> bool:
        rows = type(self).objects.filter(pk=self.pk, state__in=allowed).update(**changes)
        if rows:
            self.refresh_from_db(fields=list(changes))
        return bool(rows)


def _is_abandoned(key: int) -> bool:
    """Whether an action is under way, and the run that does it does not go on. Both are read by one
    statement: an action's last slice and the end of its run are committed together."""
    found = BulkAction.objects.filter(pk=key, state__in=UNDER_WAY)
    return found.filter(Q(run__state=None) | Q(run__state__in=FINISHED_STATES)).exists()


class BulkOutcome(models.TextChoices):
    """What became of one run."""

    CHANGED = "changed", pgettext_lazy("bulk action", "changed")
    UNFIT = "unfit", pgettext_lazy("bulk action", "left as it was")
    FAILED = "failed", pgettext_lazy("bulk action", "failed")


class BulkActionItem(models.Model):
    """The outcome of a bulk action for one run. No constraint: the run may be pruned."""

    action = models.ForeignKey(BulkAction, models.CASCADE, related_name="items", db_index=False)
    run_id = models.BigIntegerField()
    outcome = models.CharField(_("outcome"), max_length=10, choices=BulkOutcome.choices)
    before = models.CharField(_("state before"), max_length=10, blank=True, default="")
    detail = models.CharField(_("details"), max_length=500, blank=True, default="")
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        verbose_name = _("outcome of a bulk action")
        verbose_name_plural = _("outcomes of bulk actions")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["action", "run_id"], name="neural_bulk_run_once"),
        )
        indexes = (
            models.Index(fields=["run_id"], name="neural_bulk_item_run"),
            # The page of an action: the runs that it did not change.
            models.Index(
                fields=["action", "outcome", "run_id"],
                condition=~Q(outcome="changed"),
                name="neural_bulk_item_unchanged",
            ),
        )

    def __str__(self) -> str:
        return f"{self.action_id}: run {self.run_id} {self.outcome}"
