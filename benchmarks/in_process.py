"""Runs work inside the measuring process, and reads how much the database wrote for it."""

from typing import Any

from celery import current_app
from django.db import connection

from neural.events.recording import EVENT_TASK
from neural.events.registry import atomic_handler_names
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim


def drain(queue: str) -> None:
    """Run what is due on a queue, fifty runs at a time, as a worker does."""
    source: Any = current_app.tasks[EVENT_TASK]
    common: Any = {"task_id": "", "claimant": Claimant(), "queue": queue}
    while runs := claim(**common, batchable=atomic_handler_names(), limit=50):
        run_claimed(source, runs)


def log_position() -> float:
    """Bytes that PostgreSQL has written to its log so far; 0 on SQLite."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(cursor.fetchone()[0])
