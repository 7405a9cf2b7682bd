"""The audit log: what people did. Its rows are only ever added, neither changed nor deleted.

The model refuses both here, with a sentence for the programmer; the database refuses what goes past
the model, with triggers (migration ``0001_first``).
"""

from typing import Any, NoReturn, Self

from django.apps import apps
from django.db import models
from django.db.models import Exists, OuterRef
from django.db.models.functions import Cast, Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.kit.errors import NeuralError
from neural.models.store import Store, StoreScopedQuerySet

CHANGED = "entries of the audit log are never changed"
DELETED = "entries of the audit log are never deleted"
MOST_TARGETS = 1000
"""Rows that one entry names. Bulk actions keep their rows themselves."""


class AuditLogIsAppendOnly(NeuralError):
    """Code tried to change or delete an entry of the audit log."""


class AppendOnlyQuerySet(StoreScopedQuerySet):
    """Rows that can be read and added. The asynchronous methods call these."""

    def standing(self, key: str = "pk") -> Self:
        """Without the entries in whose place a later one of the same act stands, or without their
        rows. ``key`` is the field with the key of the entry."""
        rows = apps.get_model("neural", "auditedrow")._default_manager
        text = Cast(OuterRef(key), models.CharField())
        later = rows.filter(model="neural.auditentry", object_id=text)
        return self.exclude(Exists(later))

    def update(self, **changes: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def bulk_update(self, *args: Any, **options: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def update_or_create(self, *args: Any, **options: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(CHANGED)

    def bulk_create(self, *args: Any, **options: Any) -> Any:
        """Add rows. Raises :class:`AuditLogIsAppendOnly` if existing ones would be updated."""
        if options.get("update_conflicts"):
            raise AuditLogIsAppendOnly(CHANGED)
        return super().bulk_create(*args, **options)

    def delete(self) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(DELETED)

    def _raw_delete(self, using: str | None) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`: Django deletes so what refers to a deleted row."""
        raise AuditLogIsAppendOnly(DELETED)


class AppendOnlyModel(models.Model):
    """A row that is added once."""

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Add the row. Raises :class:`AuditLogIsAppendOnly` for one that exists."""
        if not self._state.adding or kwargs.get("force_update") or kwargs.get("update_fields"):
            raise AuditLogIsAppendOnly(CHANGED)
        # Inserted whatever its key: Django would first try to update a row with a key of its own.
        super().save(*args, **kwargs | {"force_insert": True})

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Raises :class:`AuditLogIsAppendOnly`."""
        raise AuditLogIsAppendOnly(DELETED)


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
    STOPPED = "stopped", pgettext_lazy("act", "stopped")
    """A person ended it before its end; what was changed until then stays."""


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
