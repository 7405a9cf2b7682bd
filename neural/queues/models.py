"""The table of paused queues: their runs wait, while events and tasks are submitted as always."""

import datetime as dt

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


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
    during the pause are due again (:mod:`neural.queues.pausing`).
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
