"""django-q2 on its ORM broker, with the options of that broker's example in its documentation.

It uses the ORM broker because no other one enqueues in the event's transaction and redelivers a
task that was not acknowledged. Its Redis broker has no receipts and loses what a dead worker held.
One cluster has two workers, and its own pusher and monitor processes beside them.

The documentation's example sets ``bulk`` 10, ``queue_limit`` 50, ``timeout`` 90 and ``retry`` 120.
``save_limit`` 0 keeps every outcome; the default keeps 250, and locks them all at each outcome to
find the oldest. ``recycle`` is set so high that it is never reached: a new process every 500 tasks
(the default) would cost up to half a second each time. It has no interface for bulk enqueueing.

Its ``started`` is the time of enqueueing. Its ``stopped`` is taken in the worker, before another
process saves the outcome. So the first handler's write is used as the start, and a column that the
database fills (``saved_at``) as the end.
"""

from typing import Any

from django.db import transaction
from django_q.tasks import async_task  # type: ignore[import-not-found]

from benchmarks.peers.models import Event, arguments
from benchmarks.peers.work import DJANGO, Report, System, add_report


def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


def submit(report: Report) -> None:
    """Write the row and enqueue its task in one transaction."""
    with transaction.atomic():
        Event.of(report).save()
        async_task("benchmarks.peers.django_q_peer.add_to_demand", **arguments(report))


SYSTEM = System(
    workers=[[*DJANGO, "qcluster"]],
    outcomes="""
        SELECT count(*) FILTER (WHERE success), NULL::timestamptz, max(saved_at)
        FROM django_q_task
    """,
    submit=submit,
    prepare="ALTER TABLE django_q_task ADD COLUMN saved_at timestamptz DEFAULT clock_timestamp()",
)
