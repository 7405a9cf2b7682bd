"""The Celery tasks of webhooks."""

from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.hooks.incoming import routing
from neural.hooks.outgoing.scheduling import DELIVER_TASK
from neural.hooks.outgoing.sending import RETRIES, deliver
from neural.ledger.clock import database_clock
from neural.ledger.work import current_run


@shared_task(base=LedgerTask, name=routing.ROUTE_TASK, title=_("Give pushes to their stores"))
def route_pushes(source: int) -> dict[str, int]:
    """Give the waiting pushes of a webhook source to their stores; returns counts."""
    return routing.route_waiting(source=source)


@shared_task(base=LedgerTask, name=DELIVER_TASK, title=_("Deliver a webhook"), retry_policy=RETRIES)
def deliver_webhook(delivery_id: int) -> dict[str, Any]:
    """Send a delivery to its receiver. A relay requests this; called by hand, it does nothing."""
    run = current_run()
    return deliver(
        delivery_id=delivery_id, task_id=run.task_id if run else "", now=database_clock()
    )
