"""The audit log: what people did, which is only ever added to."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.models.append_only import AppendOnlyModel
from neural.models.store import Store

MOST_TARGETS = 1000
"""Rows that one entry names. Bulk actions keep their rows themselves."""


class AuditSource(models.TextChoices):
    """By what a person acted."""

    ADMIN = "admin", _("admin")
    API = "api", _("HTTP API")
    COMMAND = "command", _("command")


class AuditOutcome(models.TextChoices):
    """What became of the act."""

    BEGUN = "begun", pgettext_lazy("act", "begun")
    """It goes on, or was killed: an entry of its end would stand in place of this one."""
    DONE = "done", pgettext_lazy("act", "done")
    REFUSED = "refused", pgettext_lazy("act", "refused")
    FAILED = "failed", pgettext_lazy("act", "failed")


class AuditEntry(AppendOnlyModel):
    """One act of a person: who, when, what, on which rows, why, with what outcome.

    Neither users nor rows are foreign keys: an entry outlives both. Users who are limited to some
    stores see the entries of acts on rows of these stores; an act on rows of several stores makes
    an entry for each (:func:`neural.audit.record`).
    """

    at = models.DateTimeField(_("at"), db_default=Now(), editable=False)
    actor = models.CharField(_("who"), max_length=150)
    user_id = models.CharField(max_length=255, blank=True, default="")
    """The user's primary key as text: a project's own model of users may have any kind."""
    source = models.CharField(
        pgettext_lazy("audit log", "by"), max_length=10, choices=AuditSource.choices
    )
    action = models.CharField(_("action"), max_length=100)
    """A stable code like ``run.retry``."""
    target_model = models.CharField(_("kind of rows"), max_length=100, blank=True, default="")
    """Like ``neural.taskrun``; empty if the act concerns no rows."""
    target_ids = models.JSONField(pgettext_lazy("audit log", "rows"), default=list)
    query = models.JSONField(_("filter"), default=dict)
    """What chose the rows, if they were not named: parameters of a list's address."""
    store = models.ForeignKey(
        Store,
        models.DO_NOTHING,
        verbose_name=_("store"),
        null=True,
        blank=True,
        db_constraint=False,
        db_index=False,
    )
    reason = models.CharField(_("reason"), max_length=500, blank=True, default="")
    details = models.JSONField(_("details"), default=dict)
    """What else there is to know, without personal data: a queue's name, an end, a difference."""
    outcome = models.CharField(
        _("outcome"), max_length=10, choices=AuditOutcome.choices, default=AuditOutcome.DONE
    )
    count = models.BigIntegerField(_("changed rows"), default=0)

    class Meta:
        verbose_name = _("audit entry")
        verbose_name_plural = _("audit log")
        default_permissions = ("view",)
        indexes = (
            models.Index(fields=["actor", "-id"], name="neural_audit_by_actor"),
            models.Index(fields=["action", "-id"], name="neural_audit_by_action"),
            models.Index(fields=["store", "-id"], name="neural_audit_by_store"),
        )

    def __str__(self) -> str:
        return f"{self.action} ({self.actor})"


class AuditedRow(AppendOnlyModel):
    """A row that an entry names: finds what was done to it. As lasting as its entry."""

    entry = models.ForeignKey(
        AuditEntry, models.DO_NOTHING, related_name="rows", db_constraint=False
    )
    model = models.CharField(max_length=100)
    object_id = models.CharField(max_length=255)

    class Meta:
        default_permissions = ()
        indexes = (
            models.Index(fields=["model", "object_id", "-entry"], name="neural_audited_row"),
        )

    def __str__(self) -> str:
        return f"{self.model} {self.object_id}"
