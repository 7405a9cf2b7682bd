"""Worker processes and their heartbeats."""

import datetime as dt

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class WorkerProcessQuerySet(models.QuerySet):
    def present(self) -> "WorkerProcessQuerySet":
        """Workers that neither said goodbye nor were given up."""
        return self.filter(stopped_at=None, lost_at=None)

    def silent(self, seconds: float) -> "WorkerProcessQuerySet":
        """Present workers whose last heartbeat is older than this, by the database's clock."""
        return self.present().filter(heartbeat_at__lt=Now() - dt.timedelta(seconds=seconds))

    def alive(self, seconds: float) -> "WorkerProcessQuerySet":
        """Present workers that were heard of within this time."""
        return self.present().filter(heartbeat_at__gte=Now() - dt.timedelta(seconds=seconds))


class WorkerProcess(models.Model):
    """One Celery worker (the parent of its pool) from its start to its end."""

    name = models.CharField(_("name"), max_length=255)
    host = models.CharField(_("host"), max_length=255)
    process_id = models.PositiveIntegerField(_("process id"))
    queues = models.JSONField(_("queues"), default=list)
    concurrency = models.PositiveIntegerField(_("concurrency"), default=1)
    started_at = models.DateTimeField(_("started at"), db_default=Now())
    heartbeat_at = models.DateTimeField(_("heartbeat"), db_default=Now())
    stopped_at = models.DateTimeField(_("stopped at"), null=True, blank=True)
    lost_at = models.DateTimeField(_("lost at"), null=True, blank=True)

    objects = WorkerProcessQuerySet.as_manager()

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes = (
            models.Index(
                fields=["heartbeat_at"],
                condition=models.Q(stopped_at=None, lost_at=None),
                name="neural_worker_present",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def beat(self) -> None:
        """Say that this worker lives. One that had been given up is present again."""
        type(self).objects.filter(pk=self.pk).update(heartbeat_at=Now(), lost_at=None)

    def stop(self) -> None:
        """Say goodbye."""
        type(self).objects.filter(pk=self.pk, stopped_at=None).update(stopped_at=Now())

    def give_up(self, seconds: float) -> bool:
        """Take this worker for dead unless it has been heard of meanwhile."""
        silent = type(self).objects.filter(pk=self.pk).silent(seconds)
        return bool(silent.update(lost_at=Now()))
