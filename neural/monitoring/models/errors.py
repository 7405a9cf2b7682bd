"""Error groups: failed attempts with the same cause, counted together."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from neural.models import Store


class ErrorGroupState(models.TextChoices):
    """What people have decided about a group."""

    OPEN = "open", _("open")
    MUTED = "muted", _("muted")
    """Counted on, but shown in no list of open groups and in no alert, until ``muted_until``."""
    RESOLVED = "resolved", _("resolved")
    """Opened again by an attempt that began after ``resolved_at``."""


class ErrorGroup(models.Model):
    """Failed attempts with one fingerprint: exception type, message without its values, frame."""

    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True)
    exception = models.CharField(_("exception"), max_length=255)
    message = models.CharField(_("message"), max_length=500, blank=True, default="")
    """Without its values: numbers, ids, addresses, quoted texts."""
    frame = models.CharField(_("place"), max_length=500, blank=True, default="")
    """The deepest frame of own code: module and function, without the line."""
    root = models.CharField(_("root cause"), max_length=255, blank=True, default="")
    """The type of the exception at the root of the chain, if there is another."""
    state = models.CharField(
        _("state"), max_length=10, choices=ErrorGroupState.choices, default=ErrorGroupState.OPEN
    )
    attempts = models.BigIntegerField(_("failed attempts"), default=0)
    first_at = models.DateTimeField(_("first"))
    last_at = models.DateTimeField(_("last"))
    reopened_at = models.DateTimeField(_("reopened"), null=True, blank=True)
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True)
    resolved_at = models.DateTimeField(_("resolved"), null=True, blank=True)
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        indexes = (models.Index(fields=["state", "-last_at"], name="neural_error_group_state"),)
        permissions = (("decide_errorgroup", "Can mute and resolve error groups"),)

    def __str__(self) -> str:
        return f"{self.exception}: {self.message}" if self.message else self.exception


class ErrorGroupHour(models.Model):
    """A group's failed attempts in an hour, by work and store: its trend, and what it hits."""

    group = models.ForeignKey(ErrorGroup, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField(_("hour"))
    work = models.CharField(_("work"), max_length=255)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    attempts = models.BigIntegerField(_("failed attempts"), default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["group", "hour", "work", "store_code"], name="neural_error_hour_once"
            ),
        )
        indexes = (models.Index(fields=["hour"], name="neural_error_hour"),)

    def __str__(self) -> str:
        return f"{self.group_id} {self.hour:%Y-%m-%d %H:00}"


class FailedRun(models.Model):
    """A run and the group of its last failed attempt: how a group finds its runs.

    No constraint: the row of a run that is pruned goes later.
    """

    run_id = models.BigIntegerField(primary_key=True)
    group = models.ForeignKey(ErrorGroup, models.CASCADE, related_name="runs", db_index=False)
    attempt_id = models.BigIntegerField()
    store = models.ForeignKey(
        Store, models.DO_NOTHING, null=True, blank=True, db_constraint=False, db_index=False
    )

    class Meta:
        indexes = (models.Index(fields=["group", "-attempt_id"], name="neural_failed_run_group"),)

    def __str__(self) -> str:
        return f"run {self.run_id}"
