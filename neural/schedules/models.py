"""The tables of schedules: what beat does when a schedule's run is late or its last run still
works, and which rows that an app ships were created."""

import datetime as dt
from typing import Any

from django.db import models
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


class ShippedDefault(models.Model):
    """The note that something which an app ships was created. What people change or delete
    afterwards stays so."""

    name = models.CharField(max_length=100, primary_key=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
