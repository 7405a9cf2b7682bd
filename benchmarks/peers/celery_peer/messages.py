"""Submits events as Celery messages."""

import sys
from functools import partial

from django.db import transaction

import benchmarks.peers.celery_peer.app  # noqa: F401  (the current application)
from benchmarks.peers.celery_peer.tasks import add_to_demand
from benchmarks.peers.rows.models import Event, arguments
from benchmarks.peers.system import System
from benchmarks.peers.work import Report


def submit(report: Report) -> None:
    """Write the row, and send the message once it is committed."""
    with transaction.atomic():
        Event.of(report).save()
        # This is what `delay_on_commit` does; Celery's type stubs do not have it.
        transaction.on_commit(partial(add_to_demand.delay, **arguments(report)))


SYSTEM = System(
    workers=[
        [
            *(sys.executable, "-m", "celery", "--app", "benchmarks.peers.celery_peer.app"),
            *("worker", "--concurrency", "2", "--loglevel", "WARNING"),
        ]
    ],
    outcomes="""
        SELECT count(*) FILTER (WHERE status = 'SUCCESS'), NULL::timestamptz, max(date_done)
        FROM django_celery_results_taskresult
    """,
    submit=submit,
)
