"""The Celery tasks of webhooks."""

from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.hooks.incoming import reconciling, routing
from neural.hooks.outgoing.scheduling import DELIVER_TASK
from neural.hooks.outgoing.sending import RETRIES, deliver
from neural.ledger.clock import database_clock
from neural.ledger.work import current_run
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE


@shared_task(base=LedgerTask, name=routing.ROUTE_TASK, title=_("Give pushes to their stores"))
def route_pushes(source: int) -> dict[str, int]:
    """Give the waiting pushes of a webhook source to their stores; returns counts."""
    return routing.route_waiting(source=source)


@shared_task(
    base=LedgerTask,
    name=reconciling.TASK,
    title=_("Ask a platform for what was missed"),
    run_queue=LOW_PRIORITY_QUEUE,
    run_priority=LOW_PRIORITY,
)
def reconcile_source(reconciliation: int) -> dict[str, Any]:
    """Ask the platform of a reconciliation for its day; returns what came of it."""
    return reconciling.reconcile(reconciliation=reconciliation)


@shared_task(
    base=LedgerTask,
    name=reconciling.NIGHTLY_TASK,
    title=_("Ask every platform for what was missed"),
    run_queue=LOW_PRIORITY_QUEUE,
    run_priority=LOW_PRIORITY,
)
def reconcile_sources() -> dict[str, int]:
    """Request a run for each source and each day before that was not asked for without a failure;
    returns how many."""
    return reconciling.request_nightly(database_clock())


@shared_task(base=LedgerTask, name=DELIVER_TASK, title=_("Deliver a webhook"), retry_policy=RETRIES)
def deliver_webhook(delivery_id: int) -> dict[str, Any]:
    """Send a delivery to its receiver. A relay requests this; called by hand, it does nothing."""
    run = current_run()
    return deliver(
        delivery_id=delivery_id, task_id=run.task_id if run else "", now=database_clock()
    )
