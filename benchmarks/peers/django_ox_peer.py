"""django-ox, another database backend of Django's Tasks, set up as its README says.

The task and its ``enqueue`` in the event's transaction are those of ``django_tasks_peer``. Two
``ox_worker`` run with concurrency 1 (the default), and results are kept. In bulk, ``bulk_create``
writes event rows and ``enqueue_many`` tasks, 500 in a transaction. It needs Python 3.12.
"""

from collections.abc import Sequence

from django.db import transaction
from django_ox.bulk import enqueue_many  # type: ignore[import-not-found]

from benchmarks.peers.django_tasks_peer import add_to_demand, submit
from benchmarks.peers.models import Event, arguments
from benchmarks.peers.work import DJANGO, Report, System

CHUNK = 500


def submit_many(reports: Sequence[Report]) -> None:
    """Write the rows and tasks of a chunk in one transaction, with one statement each."""
    for start in range(0, len(reports), CHUNK):
        chunk = reports[start : start + CHUNK]
        with transaction.atomic():
            Event.objects.bulk_create([Event.of(each) for each in chunk])
            enqueue_many(add_to_demand, [((), arguments(each)) for each in chunk])


SYSTEM = System(
    workers=[[*DJANGO, "ox_worker", "--verbosity", "0"]] * 2,
    outcomes="""
        SELECT count(*) FILTER (WHERE status = 'SUCCESSFUL'), min(started_at), max(finished_at)
        FROM django_ox_oxtask
    """,
    submit=submit,
    submit_many=submit_many,
)
