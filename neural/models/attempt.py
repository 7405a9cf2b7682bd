"""Failed, lost and released attempts of runs."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.models.run import TaskRun
from neural.models.worker import WorkerProcess


class AttemptOutcome(models.TextChoices):
    """How an attempt ended. Rows of attempts have every outcome but ``SUCCEEDED``."""

    FAILED = "failed", _("failed")
    LOST = "lost", _("lost")
    RELEASED = "handed_back", _("released")  # rows have the code of an older version
    SUCCEEDED = "succeeded", _("succeeded")


class TaskAttempt(models.Model):
    """An attempt of a run that did not succeed.

    An attempt that succeeds needs no row: its times, worker and outcome are in the run's own row.
    A row for each would cost a third more processor time, and 1.4 GB in ten million runs
    (docs/performance.md). ``neural.ledger.history`` combines both.
    """

    run = models.ForeignKey(TaskRun, models.CASCADE, verbose_name=_("run"), related_name="attempts")
    outcome = models.CharField(_("outcome"), max_length=11, choices=AttemptOutcome.choices)
    started_at = models.DateTimeField(_("started at"))
    finished_at = models.DateTimeField(_("finished at"), db_default=Now())
    worker = models.ForeignKey(
        WorkerProcess,
        models.DO_NOTHING,
        verbose_name=_("worker"),
        related_name="+",
        null=True,
        blank=True,
        db_index=False,
        db_constraint=False,
    )
    process_id = models.PositiveIntegerField(_("process id"), null=True, blank=True)
    error = models.CharField(_("error"), max_length=500, blank=True, default="")
    traceback = models.TextField(_("traceback"), blank=True, default="")

    class Meta:
        db_table = "neural_tasktry"
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(outcome__in=AttemptOutcome.values), name="neural_try_known_outcome"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} {self.started_at:%Y-%m-%d %H:%M:%S}"
