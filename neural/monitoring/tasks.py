"""The Celery tasks of monitoring."""

from typing import Any

from celery import shared_task

from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.ledger.work import checkpoint
from neural.monitoring.retention.asking import PRUNE_TASK
from neural.monitoring.retention.slices import prune_slice
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE


@shared_task(
    base=LedgerTask, name=PRUNE_TASK, run_queue=LOW_PRIORITY_QUEUE, run_priority=LOW_PRIORITY
)
def prune_old_rows(dry_run: bool = False) -> dict[str, Any]:
    """Delete what is finished and old, as the settings say, in slices; returns numbers of rows.

    With ``dry_run`` they are only counted.
    """
    return prune_slice(kept=checkpoint(), now=database_clock(), dry_run=dry_run)
