"""The Celery tasks of monitoring."""

from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.ledger.work import checkpoint
from neural.monitoring.alerts.news import SEND_TASK
from neural.monitoring.alerts.sending import RETRIES, send
from neural.monitoring.retention.runs import PRUNE_TASK, prune_slice
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE


@shared_task(base=LedgerTask, name=SEND_TASK, title=_("Send an alert"), retry_policy=RETRIES)
def send_alert(message_id: str) -> dict[str, Any]:
    """Send a message about alerts to its channel, unless somebody has sent it already."""
    return send(message_id=message_id, now=database_clock())


@shared_task(
    base=LedgerTask,
    name=PRUNE_TASK,
    title=_("Delete what is old"),
    run_queue=LOW_PRIORITY_QUEUE,
    run_priority=LOW_PRIORITY,
)
def prune_old_rows(dry_run: bool = False) -> dict[str, Any]:
    """Delete what is finished and old, as the settings say, in slices; returns numbers of rows.

    With ``dry_run`` they are only counted.
    """
    return prune_slice(checkpoint=checkpoint(), now=database_clock(), dry_run=dry_run)
