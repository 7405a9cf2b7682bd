"""The Celery tasks of webhooks."""

from celery import shared_task

from neural.celeryapp.task import LedgerTask
from neural.hooks.incoming import routing


@shared_task(base=LedgerTask, name=routing.ROUTE_TASK)
def route_pushes(source: int) -> dict[str, int]:
    """Give the waiting pushes of a webhook source to their stores; returns counts."""
    return routing.route_waiting(source=source)
