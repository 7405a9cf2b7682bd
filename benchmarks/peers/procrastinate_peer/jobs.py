"""Submits events as Procrastinate jobs."""

from collections.abc import Sequence

from django.db import transaction

from benchmarks.peers.procrastinate_peer.tasks import add_to_demand
from benchmarks.peers.rows.models import Event, arguments
from benchmarks.peers.system import DJANGO, System
from benchmarks.peers.work import Report

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
