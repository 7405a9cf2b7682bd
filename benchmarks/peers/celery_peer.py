"""Celery with django-celery-results, set up as their documentation says.

``delay_on_commit`` is called in the transaction of the event row. One prefork worker with two
processes runs on the same Redis broker as Neural. Acknowledgement, prefetch and result options are
the defaults, and the outcome is a row of ``django-db``. With these, Celery closes the database
connection around every task. ``celery-reuse`` is the same with Celery's option against that,
``CELERY_DB_REUSE_MAX``, so that the comparison does not hold Celery back.

Two things Celery does not do here, and the others do. The message is sent after the commit, and a
crash between the two loses it. With early acknowledgement, a killed worker's tasks are lost. A
task's start is recorded only with ``task_track_started``, which is off by default and costs a
statement; the first handler's write is used instead.
"""

import django
from celery import Celery

django.setup()  # the worker imports this module before Celery does it
import sys
import time
from dataclasses import replace
from functools import partial
from typing import Any

from django.db import transaction

from benchmarks.peers.models import Event, arguments
from benchmarks.peers.work import LINES, Report, System, add_report, note_times

app = Celery("peers")
app.config_from_object("django.conf:settings", namespace="CELERY")


@app.task(name="add_to_demand")
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


@app.task(name="ended_at")
def ended_at() -> float:
    """A task of a chord."""
    return time.time()


@app.task(name="note_body")
def note_body(ended: list[float]) -> None:
    """The body of a chord."""
    note_times(ended)


def submit(report: Report) -> None:
    """Write the row, and send the message once it is committed."""
    with transaction.atomic():
        Event.of(report).save()
        # This is what `delay_on_commit` does; Celery's type stubs do not have it.
        transaction.on_commit(partial(add_to_demand.delay, **arguments(report)))


SYSTEM = System(
    workers=[
        [
            *(sys.executable, "-m", "celery", "--app", "benchmarks.peers.celery_peer"),
            *("worker", "--concurrency", "2", "--loglevel", "WARNING"),
        ]
    ],
    outcomes="""
        SELECT count(*) FILTER (WHERE status = 'SUCCESS'), NULL::timestamptz, max(date_done)
        FROM django_celery_results_taskresult
    """,
    submit=submit,
)


def delay(report: Report) -> None:
    """Call the task, without an event."""
    add_to_demand.delay(**arguments(report))


# Without a row of its own a call leaves only its writes, wherever its result is.
DONE = (
    f"SELECT coalesce(sum(times), 0) / {LINES}, NULL::timestamptz, max(last_at) FROM peers_demand"
)
CALLS = replace(SYSTEM, outcomes=DONE, events=DONE, submit=delay)
