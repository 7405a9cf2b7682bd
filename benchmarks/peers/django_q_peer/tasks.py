"""The task and the events that enqueue it."""

from typing import Any

from django.db import transaction
from django_q.tasks import async_task  # type: ignore[import-not-found]

from benchmarks.peers.rows.models import Event, arguments
from benchmarks.peers.system import DJANGO, System
from benchmarks.peers.work import Report, add_report


def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


def submit(report: Report) -> None:
    """Write the row and enqueue its task in one transaction."""
    with transaction.atomic():
        Event.of(report).save()
        async_task("benchmarks.peers.django_q_peer.tasks.add_to_demand", **arguments(report))


SYSTEM = System(
    workers=[[*DJANGO, "qcluster"]],
    outcomes="""
        SELECT count(*) FILTER (WHERE success), NULL::timestamptz, max(saved_at)
        FROM django_q_task
    """,
    submit=submit,
    prepare="ALTER TABLE django_q_task ADD COLUMN saved_at timestamptz DEFAULT clock_timestamp()",
)
