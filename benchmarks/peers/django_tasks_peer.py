"""django-tasks-db, the database backend of Django's Tasks, set up as its README says.

``enqueue`` is called in the transaction of the event row. Two ``db_worker`` processes run, and
results are kept (the default). It has no bulk enqueueing. On Django 5.2 the Tasks interface comes
from the backport django-tasks, which contained this backend itself before its version 0.12.
"""

from typing import Any

from django.db import transaction
from django_tasks import task  # type: ignore[import-not-found]

from benchmarks.peers.models import Event, arguments
from benchmarks.peers.work import DJANGO, Report, System, add_report


@task()
def add_to_demand(store: str, day: str, lines: list[dict[str, Any]]) -> None:
    """Add a day's report to the demand."""
    add_report(store, day, lines)


def submit(report: Report) -> None:
    """Write the row and enqueue its task in one transaction."""
    with transaction.atomic():
        Event.of(report).save()
        add_to_demand.enqueue(**arguments(report))


SYSTEM = System(
    # The command prints its own log lines: verbosity 0 silences them, as LOGGING does elsewhere.
    workers=[[*DJANGO, "db_worker", "--verbosity", "0"]] * 2,
    outcomes="""
        SELECT count(*) FILTER (WHERE status = 'SUCCESSFUL'), min(started_at), max(finished_at)
        FROM django_tasks_database_dbtaskresult
    """,
    submit=submit,
)
