"""The Celery tasks of monitoring."""

from typing import Any

from celery import shared_task

from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.monitoring.alerts.sending import RETRIES, send
from neural.monitoring.alerts.telling import SEND_TASK


@shared_task(base=LedgerTask, name=SEND_TASK, retry_policy=RETRIES)
def send_alert(message_id: str) -> dict[str, Any]:
    """Send a message about alerts to its channel, unless somebody has sent it already."""
    return send(message_id=message_id, now=database_clock())
