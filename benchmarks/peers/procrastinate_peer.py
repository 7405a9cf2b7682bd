"""Procrastinate with its Django integration: ``defer`` in the transaction of the event row.

Two worker processes run with concurrency 1, the default of each. A job is fetched, run in the
worker's thread with Django's connection, and finished, with one statement each. Finished jobs are
kept (the default), and a trigger records when they started and ended. In bulk, ``bulk_create``
writes event rows and ``batch_defer`` jobs, 500 in a transaction, as many as Neural's.
"""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from procrastinate.contrib.django import app  # type: ignore[import-not-found]

from benchmarks.peers.models import Event, arguments
from benchmarks.peers.work import DJANGO, Report, System, add_report


@app.task(name="add_to_demand")
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


CHUNK = 500


def submit(report: Report) -> None:
    """Write the row and its job in one transaction."""
    with transaction.atomic():
        Event.of(report).save()
        add_to_demand.defer(**arguments(report))


def submit_many(reports: Sequence[Report]) -> None:
    """Write the rows and jobs of a chunk in one transaction, with one statement each."""
    for start in range(0, len(reports), CHUNK):
        chunk = reports[start : start + CHUNK]
        with transaction.atomic():
            Event.objects.bulk_create([Event.of(each) for each in chunk])
            add_to_demand.batch_defer(*[arguments(each) for each in chunk])


SYSTEM = System(
    workers=[[*DJANGO, "procrastinate", "worker", "--concurrency", "1"]] * 2,
    outcomes="""
        SELECT count(*) FILTER (WHERE type = 'succeeded'),
               min(at) FILTER (WHERE type = 'started'),
               max(at) FILTER (WHERE type = 'succeeded')
        FROM procrastinate_events
    """,
    submit=submit,
    submit_many=submit_many,
)
