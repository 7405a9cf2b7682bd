"""New runs of tasks, inserted by few statements."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from neural.ledger import insertion, record
from neural.models import RunState, TaskRun
from neural.runs.models.new_run import new_run
from tests.probe import tasks
from tests.unit.factories import make_store

pytestmark = pytest.mark.django_db

WORK = {"task": "probe.give_back", "queue": "default", "priority": 5}
NEXT_CENTURY = dt.datetime(2101, 1, 1, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def statements(call):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        call()
    return [each["sql"] for each in queries.captured_queries]


def test_a_call_is_one_statement(fake_broker):
    assert len(statements(lambda: tasks.give_back.delay(1, a=2))) == 1


def test_many_runs_are_one_statement_a_chunk_and_one_publishing(
    fake_broker, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(insertion, "CHUNK", 2)
    runs = [new_run(**WORK, args=[number]) for number in range(5)]

    with django_capture_on_commit_callbacks(execute=True):
        assert len(statements(lambda: record.enqueue_all(runs))) == 3

    assert [run.args for run in TaskRun.objects.order_by("pk")] == [[n] for n in range(5)]
    assert [message.task_id for message in fake_broker.sent] == [run.task_id for run in runs]


@pytest.mark.parametrize("due", [{}, {"due_in": 60}, {"due_at": NEXT_CENTURY}])
def test_the_run_that_is_returned_is_the_row(fake_broker, due):
    make_store("S1")
    options = {"headers": {"trace": "t1"}, "time_limit": 1.5}
    asked = {"args": [1, "ä\\u0000x"], "kwargs": {"k": [None, {}]}, "store": "S1", "parent": "p"}

    run = record.enqueue(**WORK, **asked, **due, options=options, unique_key="k", requested_by="a")

    row = TaskRun.objects.get()
    for field in TaskRun._meta.concrete_fields:
        assert getattr(run, field.attname) == getattr(row, field.attname), field.name
    assert row.args == [1, "ä\\u0000x"]


def test_runs_that_wait_are_not_published(fake_broker, django_capture_on_commit_callbacks):
    runs = [new_run(**WORK, due_at=HOUR), new_run(**WORK)]
    with django_capture_on_commit_callbacks(execute=True):
        later, now = record.enqueue_all(runs)

    assert [message.task_id for message in fake_broker.sent] == [now.task_id]
    row = TaskRun.objects.get(pk=later.pk)
    assert row.publish_at == row.available_at
    assert row.available_at - row.created_at == HOUR


def test_of_runs_with_one_unique_key_the_first_is_recorded_and_stands_for_the_others(fake_broker):
    runs = [new_run(**WORK, unique_key=key) for key in ("b", "a", "b", "a")]
    before = record.enqueue(**WORK, args=[], kwargs={}, unique_key="a")

    recorded = record.enqueue_all(runs)

    assert [run.task_id for run in recorded] == [
        runs[0].task_id,
        before.task_id,
        runs[0].task_id,
        before.task_id,
    ]
    assert TaskRun.objects.count() == 2


def test_a_task_id_that_comes_twice_is_one_run_or_refused(
    fake_broker, django_capture_on_commit_callbacks
):
    same = [new_run(**WORK, task_id="mine", args=[1]) for _ in range(2)]
    with django_capture_on_commit_callbacks(execute=True):
        assert len({run.pk for run in record.enqueue_all(same)}) == 1
    assert len(fake_broker.sent) == 1

    other = [new_run(**WORK, task_id="other", args=[number]) for number in range(2)]
    with pytest.raises(record.TaskIdTaken, match="'other'"):
        record.enqueue_all(other)


def test_a_run_whose_rival_starts_meanwhile_is_recorded(fake_broker, monkeypatch):
    first = record.enqueue(**WORK, args=[], kwargs={}, unique_key="index")
    waiting = record._waiting

    def started_meanwhile(unique_key):
        TaskRun.objects.filter(pk=first.pk).update(state=RunState.PENDING, unique_key=None)
        return waiting(unique_key)

    monkeypatch.setattr(record, "_waiting", started_meanwhile)

    assert record.enqueue(**WORK, args=[], kwargs={}, unique_key="index").pk != first.pk
