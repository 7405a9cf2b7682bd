"""A backlog of which the database's statistics know nothing costs no more than another."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from neural.health.situation import Situation
from neural.ledger.claim import Claimant, claim
from neural.models import RunState, TaskRun
from neural.queues import PRIORITIES
from neural.queues.state import COUNTED, oldest_due
from neural.runs.models.new_run import new_task_id
from neural.worker import relay
from tests.unit.factories import ago, make_event
from tests.unit.pages.plans import read, reading

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(
        "connection.vendor != 'postgresql'", reason="SQLite keeps no such statistics"
    ),
]

BACKLOG = 3000
SHALLOW = 1200
"""So many runs are more than a page of the index of due runs, and less than one of the unpublished
ones, where equal times are one entry: that index looks cheaper where a single row is expected."""


@pytest.fixture
def analyzed():
    """The table was analyzed when nothing waited."""
    event = make_event()
    rows(2000, state=RunState.SUCCEEDED, finished_at=ago(hours=1))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE neural_taskrun")
    event.refresh_from_db()


@pytest.fixture
def backlog(analyzed):
    """Since then runs have come."""
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


def test_the_oldest_due_run_is_read_by_the_index(analyzed):
    rows(SHALLOW, publish_at=ago(minutes=1))
    with connection.cursor() as cursor:
        cursor.execute("REINDEX TABLE neural_taskrun")  # without what other tests rolled back
    situation = Situation()

    with reading("neural_taskrun", wanted=COUNTED) as of_all:
        waiting = situation.waiting["default"]
    with reading("neural_taskrun", wanted=len(PRIORITIES)) as of_oldest:
        oldest = oldest_due(["default"], situation.now)["default"]

    assert (situation.now - oldest).total_seconds() == waiting.oldest_seconds > 100
    assert max(of_all) < 100
    assert of_oldest
    assert max(of_oldest) < 100
