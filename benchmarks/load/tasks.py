"""The peers' task as a task of the ledger."""

from typing import Any

from celery import shared_task

import neural
from benchmarks.peers.work import add_report


@shared_task(base=neural.LedgerTask, name="benchmarks.add_to_demand")
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)
