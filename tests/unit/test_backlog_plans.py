"""A backlog of which the database's statistics know nothing costs no more than another."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from neural.ledger.claim import Claimant, claim
from neural.models import RunState, TaskRun
from neural.models.new_run import new_task_id
from neural.worker import relay
from tests.unit.ledger import ago, make_event
from tests.unit.plans import read

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="SQLite keeps no such statistics"
    ),
]

BACKLOG = 3000


@pytest.fixture
def backlog():
    """The table was analyzed when nothing waited; since then runs have come."""
    event = make_event()
    rows(2000, state=RunState.SUCCEEDED, finished_at=ago(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun")
    event.refresh_from_db()
    return rows(BACKLOG, publish_at=ago(minutes=1))


def rows(number, **fields):
    runs = [
        TaskRun(
            task="probe",
            task_id=new_task_id(),
            handler="probe.count",
            queue="default",
            available_at=ago(minutes=2),
            **fields,
        )
        for _ in range(number)
    ]
    return TaskRun.objects.bulk_create(runs)


def statements(work):
    with CaptureQueriesContext(connection) as captured:
        work()
    return [query["sql"] for query in captured if "UPDATE neural_taskrun" in query["sql"]]


def test_a_claim_looks_at_what_it_takes(backlog, monkeypatch):
    # A prepared statement has its values apart; its plan would be that of none in particular.
    monkeypatch.setattr(connection.connection, "prepare_threshold", None)

    def take():
        claim(
            task_id=backlog[0].task_id,
            claimant=Claimant(),
            queue="default",
            batchable=["probe.count"],
            limit=50,
        )

    (statement,) = statements(take)
    assert read(statement) < 100


def test_the_relay_looks_at_what_it_publishes(backlog):
    (statement,) = statements(lambda: relay._lease_unpublished("default", 50))

    assert read(statement) < 100
