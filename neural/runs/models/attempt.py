"""Attempts of runs: a row for each that did not succeed, and all of a run's in order.

An attempt that failed, was lost or was released has a row (``TaskAttempt``). For the attempt that
succeeded or is under way, the run's own row has the times, worker and process
(:func:`attempts_of`).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from neural.runs.models.run import RunState, TaskRun
from neural.worker.models import WorkerProcess


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
    (docs/explanation/performance.md). :func:`attempts_of` combines both.
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
    exception_facts = models.JSONField(_("facts of the exception"), null=True, blank=True)
    """See :func:`neural.ledger.exception_facts.facts_of`. None if no exception ended it, and in
    rows that are older than the column."""

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


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One attempt of a run. ``outcome`` and ``finished_at`` are None while it is under way."""

    number: int
    outcome: AttemptOutcome | None
    started_at: dt.datetime
    finished_at: dt.datetime | None
    worker: WorkerProcess | None
    process_id: int | None
    error: str = ""
    traceback: str = ""
    own_frame: str = ""
    """The deepest frame of the project's own code, as a traceback shows it."""

    @property
    def duration(self) -> dt.timedelta | None:
        """From started to finished; None while the attempt is under way."""
        return self.finished_at - self.started_at if self.finished_at else None


def attempts_of(run: TaskRun) -> Sequence[Attempt]:
    """All attempts of a run, the first one first.

    Reads ``run.attempts`` and their workers: prefetch ``attempts__worker`` for many runs.
    Tracebacks that are deferred there are empty.
    """
    is_prefetched = "attempts" in getattr(run, "_prefetched_objects_cache", {})
    rows = run.attempts.all() if is_prefetched else run.attempts.select_related("worker")
    recorded = [_recorded(number, row) for number, row in enumerate(rows, start=1)]
    last = _without_row(run, number=len(recorded) + 1)
    return [*recorded, last] if last else recorded


def _recorded(number: int, row: TaskAttempt) -> Attempt:
    return Attempt(
        number=number,
        outcome=AttemptOutcome(row.outcome),
        started_at=row.started_at,
        finished_at=row.finished_at,
        worker=row.worker,
        process_id=row.process_id,
        error=row.error,
        traceback="" if "traceback" in row.get_deferred_fields() else row.traceback,
        own_frame=(row.exception_facts or {}).get("frame", ""),
    )


def _without_row(run: TaskRun, *, number: int) -> Attempt | None:
    """The attempt that succeeded or is under way."""
    if run.started_at is None or run.state not in (RunState.SUCCEEDED, RunState.RUNNING):
        return None
    succeeded = run.state == RunState.SUCCEEDED
    return Attempt(
        number=number,
        outcome=AttemptOutcome.SUCCEEDED if succeeded else None,
        started_at=run.started_at,
        finished_at=run.finished_at if succeeded else None,
        worker=run.worker,
        process_id=run.process_id,
    )
