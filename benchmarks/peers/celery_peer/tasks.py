"""The task, in the module where Celery looks for tasks."""

from typing import Any

from celery import shared_task

from benchmarks.peers.work import add_report


@shared_task
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)
