"""Work done in the measuring process itself, and what the database wrote for it."""

from typing import Any

from celery import current_app
from django.db import connection

from neural.events.recording import EVENT_TASK
from neural.events.registry import atomic_handler_names
from neural.ledger.batch import run_claimed
from neural.ledger.claim import Claimant, claim


def drain(queue: str) -> None:
    """Do what is due on a queue, fifty at a time, as a worker does it."""
    source: Any = current_app.tasks[EVENT_TASK]
    common: Any = {"task_id": "", "claimant": Claimant(), "queue": queue}
    while runs := claim(**common, batchable=atomic_handler_names(), limit=50):
        run_claimed(source, runs)


def log_position() -> float:
    """Bytes of PostgreSQL's log so far; 0 where the database is SQLite."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
        return float(cursor.fetchone()[0])
