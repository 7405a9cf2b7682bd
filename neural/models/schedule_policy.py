"""What people decide and a row keeps for them.

* :class:`SchedulePolicy`: what beat does when a schedule's run is late, or its last run still works
* :class:`QueuePause`: the runs of a queue wait, while events and tasks are submitted as always
* :class:`SavedView`: a search of runs that people have given a name
* :class:`RunEdit`: what a person changed in a run's arguments before it was retried
* :class:`ShippedDefault`: a row that an app has created once, and that is people's from then on
"""

import datetime as dt
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

WHY_LENGTH = 200
DEFAULT_GRACE_SECONDS = 60.0
"""Longer than a restart of beat takes."""


class Overlap(models.TextChoices):
    """What happens when a run of a schedule is due while the one before waits or works."""

    ALLOW = "allow", _("record another run")
    SKIP = "skip", _("leave this time out")


class Misfire(models.TextChoices):
    """What happens to due times that passed while beat was not running."""

    RUN_ONCE = "run_once", _("one run makes up for all of them")
    SKIP = "skip", _("they are left out")


class SkipReason(models.TextChoices):
    """Why a due time was left out."""

    OVERLAP = "overlap", _("the run before had not ended")
    MISSED = "missed", _("beat came too late")
    REFUSED = "refused", _("it was refused")


class SchedulePolicy(models.Model):
    """The policy of one of django-celery-beat's schedules; without a row, the defaults hold."""

    schedule_id = models.IntegerField(primary_key=True)
    """The primary key of the PeriodicTask. No constraint: that app may not be installed."""
    overlap = models.CharField(
        _("overlap"), max_length=10, choices=Overlap.choices, default=Overlap.ALLOW
    )
    misfire = models.CharField(
        _("missed times"), max_length=10, choices=Misfire.choices, default=Misfire.RUN_ONCE
    )
    grace_seconds = models.FloatField(_("grace in seconds"), null=True, blank=True)
    """A due time is missed if beat comes later than this; None: :data:`DEFAULT_GRACE_SECONDS`."""
    skipped_at = models.DateTimeField(_("last left out"), null=True, blank=True)
    skipped_why = models.CharField(_("why"), max_length=WHY_LENGTH, blank=True, default="")
    """A :class:`SkipReason`, a space, and what it concerns: the task id of the run that overlaps,
    the due time that was missed, or the error with which the run was refused."""

    class Meta:
        verbose_name = _("schedule policy")
        verbose_name_plural = _("schedules")  # the title of the page of schedules

    def __str__(self) -> str:
        return f"schedule {self.schedule_id}"

    @property
    def grace(self) -> dt.timedelta:
        """How late beat may come."""
        seconds = DEFAULT_GRACE_SECONDS if self.grace_seconds is None else self.grace_seconds
        return dt.timedelta(seconds=seconds)

    def refusal_of(self, schedule: Any) -> str:
        """The error with which the schedule's last due time was refused; empty if it has run, or
        was edited, since."""
        reason, _space, about = self.skipped_why.partition(" ")
        if reason != SkipReason.REFUSED or self.skipped_at is None:
            return ""
        since = max(filter(None, (schedule.last_run_at, schedule.date_changed)))
        return about if self.skipped_at >= since else ""

    @classmethod
    def record_skip(
        cls, schedule_id: int, reason: SkipReason, about: str, now: dt.datetime
    ) -> None:
        """Record that a due time was left out, also of a schedule that has no policy yet."""
        values = {"skipped_at": now, "skipped_why": f"{reason} {about}"[:WHY_LENGTH]}
        cls.objects.update_or_create(pk=schedule_id, defaults=values)


class QueuePauseQuerySet(models.QuerySet):
    """Pauses, with a filter by time."""

    def in_force(self, now: dt.datetime | None = None) -> "QueuePauseQuerySet":
        """Pauses that have not ended (at the database's current time unless ``now`` is given)."""
        return self.filter(Q(until=None) | Q(until__gt=now or Now()))

    def ended(self) -> "QueuePauseQuerySet":
        """Pauses whose end has come, by the database's clock."""
        return self.filter(until__lte=Now())


class QueuePause(models.Model):
    """A queue that a person has paused.

    Resuming it sets its end to now. A relay deletes the row once the messages that workers dropped
    during the pause are due again (:mod:`neural.ledger.pausing`).
    """

    queue = models.CharField(_("queue"), max_length=100, primary_key=True)
    reason = models.CharField(_("reason"), max_length=200)
    since = models.DateTimeField(_("since"), db_default=Now())
    until = models.DateTimeField(_("until"), null=True, blank=True)
    """When it ends by itself; None: only a person ends it."""
    paused_by = models.CharField(_("paused by"), max_length=150)

    objects = QueuePauseQuerySet.as_manager()

    class Meta:
        verbose_name = _("paused queue")
        verbose_name_plural = _("queues")
        permissions = (("pause_queue", "Can pause and resume queues"),)

    def __str__(self) -> str:
        return self.queue


class SavedView(models.Model):
    """A search of runs under a name; its owner may show it to everybody.

    It shows to each user only what that user may see.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        verbose_name=_("owner"),
        related_name="neural_saved_views",
    )
    name = models.CharField(_("name"), max_length=100)
    query = models.JSONField(_("filter"), default=dict)
    """Parameters of :class:`neural.runs.query.RunQuery`."""
    shared = models.BooleanField(_("shown to everybody"), default=False)
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["owner", "name"], name="neural_saved_view_once"),
        )

    def __str__(self) -> str:
        return self.name


class RunEdit(models.Model):
    """One 'edit and retry'. The original stays as it was sent.

    A task's run keeps its row and gets new arguments; ``before`` has the original ones. For an
    event's run, an event with the corrected payload is submitted, and ``new_event_id`` and
    ``new_run_id`` say what became of it; the original run is discarded. No constraints: an edit
    outlives what is pruned.
    """

    run_id = models.BigIntegerField(db_index=True)
    new_event_id = models.BigIntegerField(null=True, blank=True)
    new_run_id = models.BigIntegerField(null=True, blank=True, db_index=True)
    before = models.JSONField(_("before"))
    after = models.JSONField(_("after"))
    reason = models.CharField(_("reason"), max_length=500)
    edited_by = models.CharField(_("edited by"), max_length=150)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
    )
    at = models.DateTimeField(_("at"), db_default=Now())
    token = models.CharField(max_length=64, unique=True)
    """Of the form: one that is sent twice edits once."""

    class Meta:
        verbose_name = _("edited run")
        verbose_name_plural = _("edited runs")
        default_permissions = ()

    def __str__(self) -> str:
        return f"run {self.run_id}"


class ShippedDefault(models.Model):
    """The note that something which an app ships was created. What people change or delete
    afterwards stays so."""

    name = models.CharField(max_length=100, primary_key=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
