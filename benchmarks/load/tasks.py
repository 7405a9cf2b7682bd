"""The peers' task as a task of the ledger."""

import time
from typing import Any

from celery import shared_task

import neural
from benchmarks.peers.work import add_report, note_times


@shared_task(base=neural.LedgerTask, name="benchmarks.add_to_demand")
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


@shared_task(base=neural.LedgerTask, name="benchmarks.ended_at")
def ended_at() -> float:
    """A task of a chord."""
    return time.time()


@shared_task(base=neural.LedgerTask, name="benchmarks.note_body")
def note_body(ended: list[float]) -> None:
    """The body of a chord."""
    note_times(ended)
