"""The Celery task of the demand analysis."""

from typing import Any

from celery import shared_task
from django.utils.translation import gettext_lazy as _

from neural.celeryapp.task import LedgerTask
from neural.ledger.clock import database_clock
from neural.queues import LOW_PRIORITY, LOW_PRIORITY_QUEUE
from neural.restaurant.analysis.analysing import ANALYSIS_TASK, analyse


@shared_task(
    base=LedgerTask,
    name=ANALYSIS_TASK,
    title=_("Analyse demand"),
    run_queue=LOW_PRIORITY_QUEUE,
    run_priority=LOW_PRIORITY,
)
def analyse_demand(store_id: str | None = None, since: str | None = None) -> dict[str, Any]:
    """Update the demand summaries; returns counts.

    Without ``store_id`` it enqueues a run for each store. ``since`` is a day in ISO 8601: only its
    week and later ones are analysed.
    """
    return analyse(store_id=store_id, since=since, now=database_clock())
