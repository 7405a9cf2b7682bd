"""Error groups: failed attempts with the same cause, counted together."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from neural.models import Store


class ErrorGroupState(models.TextChoices):
    """What people have decided about a group."""

    OPEN = "open", _("open")
    MUTED = "muted", _("muted")
    """Counted on, but shown in no list of open groups and in no alert, until ``muted_until``."""
    RESOLVED = "resolved", _("resolved")
    """Opened again by an attempt that began after ``resolved_at``."""


class ErrorGroup(models.Model):
    """Failed attempts with one fingerprint: the type of the exception, and where it was raised."""

    fingerprint = models.CharField(_("fingerprint"), max_length=64, unique=True)
    exception = models.CharField(_("exception"), max_length=255)
    message = models.CharField(_("message"), max_length=500, blank=True, default="")
    """What a database or a server said in its own code, and the types in an exception group. Of
    groups from before facts of exceptions were stored, the message without its values."""
    frame = models.CharField(
        pgettext_lazy("error", "place"), max_length=500, blank=True, default=""
    )
    """The deepest frame of own code: module and function, without the line."""
    root = models.CharField(_("root cause"), max_length=255, blank=True, default="")
    """The type of the exception at the root of the chain, if there is another."""
    state = models.CharField(
        _("state"), max_length=10, choices=ErrorGroupState.choices, default=ErrorGroupState.OPEN
    )
    attempts = models.BigIntegerField(_("failed attempts"), default=0)
    first_at = models.DateTimeField(pgettext_lazy("failure", "first"))
    last_at = models.DateTimeField(pgettext_lazy("failure", "last"))
    reopened_at = models.DateTimeField(_("reopened"), null=True, blank=True)
    muted_until = models.DateTimeField(_("muted until"), null=True, blank=True)
    resolved_at = models.DateTimeField(
        pgettext_lazy("error group, time", "resolved"), null=True, blank=True
    )
    decided_by = models.CharField(_("decided by"), max_length=150, blank=True, default="")

    class Meta:
        verbose_name = _("error group")
        verbose_name_plural = _("error groups")
        indexes = (
            models.Index(fields=["state", "-last_at"], name="neural_error_group_state"),
            models.Index(fields=["-last_at"], name="neural_error_group_last"),
            # How many groups have the same type and place already.
            models.Index(fields=["exception", "frame"], name="neural_error_group_place"),
        )
        permissions = (("decide_errorgroup", "Can mute and resolve error groups"),)

    def __str__(self) -> str:
        if self.message:
            return f"{self.exception}: {self.message}"
        return f"{self.exception} · {self.frame}" if self.frame else self.exception


class ErrorGroupHour(models.Model):
    """A group's failed attempts in an hour, by work and store: its trend.

    The row without a work has the sum of the hour: a chain's trend is read from 24 rows, however
    many stores it has. Attempts that belong to no store have the empty code.
    """

    group = models.ForeignKey(ErrorGroup, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField(_("hour"))
    work = models.CharField(_("work"), max_length=255)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    attempts = models.BigIntegerField(_("failed attempts"), default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["group", "work", "store_code", "hour"], name="neural_error_hour_once"
            ),
        )
        indexes = (
            # The trend of a few stores.
            models.Index(fields=["group", "store_code", "hour"], name="neural_error_hour_store"),
        )

    def __str__(self) -> str:
        return f"{self.group_id} {self.hour:%Y-%m-%d %H:00}"


class ErrorGroupHit(models.Model):
    """What a group hits: the failed attempts of a work in a store, since the group's first."""

    group = models.ForeignKey(ErrorGroup, models.CASCADE, related_name="hits", db_index=False)
    work = models.CharField(_("work"), max_length=255)
    store_code = models.CharField(_("store"), max_length=64, blank=True, default="")
    attempts = models.BigIntegerField(_("failed attempts"), default=0)
    first_at = models.DateTimeField(pgettext_lazy("failure", "first"))
    last_at = models.DateTimeField(pgettext_lazy("failure", "last"))

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["group", "work", "store_code"], name="neural_error_hit_once"
            ),
        )
        indexes = (
            # The groups that hit the stores of a user.
            models.Index(fields=["store_code", "group"], name="neural_error_hit_store"),
        )

    def __str__(self) -> str:
        return f"{self.group_id} {self.work} {self.store_code}"


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
    failed_at = models.DateTimeField()
    dead = models.BooleanField(default=False)
    """Whether the run was dead when somebody last looked. Relays look again and again, because a
    person may have retried it."""

    class Meta:
        indexes = (
            models.Index(fields=["group", "-attempt_id"], name="neural_failed_run_group"),
            # Samples of the stores of a user.
            models.Index(fields=["group", "store", "-attempt_id"], name="neural_failed_run_store"),
            models.Index(
                fields=["group", "store", "-run_id"],
                condition=Q(dead=True),
                name="neural_failed_run_dead",
            ),
            models.Index(fields=["run_id"], condition=Q(dead=True), name="neural_failed_run_sweep"),
        )

    def __str__(self) -> str:
        return f"run {self.run_id}"
