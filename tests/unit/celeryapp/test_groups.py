"""Groups of ledger tasks: recorded together, by few statements and with one publishing."""

import datetime as dt

import pytest
from celery import Celery, current_app, group
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from neural.celeryapp.call import OptionNotKept
from neural.ledger import insertion
from neural.ledger.record import TaskIdTaken
from neural.models import TaskRun
from tests.probe import canvas, tasks
from tests.unit.celeryapp.canvas import ledger_task, record_plain_messages, run_all, runs_of
from tests.unit.factories import make_store

pytestmark = pytest.mark.django_db


@pytest.fixture
def publishings(fake_broker, monkeypatch):
    """The sizes of what was published at once."""
    sizes = []
    publish = fake_broker.publish
    monkeypatch.setattr(
        fake_broker, "publish", lambda messages: sizes.append(len(messages)) or publish(messages)
    )
    return sizes


def inserts(queries):
    return [each for each in queries.captured_queries if "INSERT INTO" in each["sql"]]


@pytest.mark.parametrize("call", [lambda them: them(), lambda them: them.apply_async()])
def test_a_group_is_few_statements_and_one_publishing(
    call, publishings, monkeypatch, django_capture_on_commit_callbacks
):
    monkeypatch.setattr(insertion, "CHUNK", 4)
    with (
        django_capture_on_commit_callbacks(execute=True),
        CaptureQueriesContext(connection) as queries,
    ):
        result = call(group(canvas.add.s(number, 1) for number in range(10)))

    assert len(inserts(queries)) == 3
    assert len(queries) == 3 + 2  # and a savepoint
    assert publishings == [10]
    runs = runs_of(canvas.add)
    assert [run.task_id for run in runs] == [each.id for each in result.results]
    assert [run.args for run in runs] == [[number, 1] for number in range(10)]
    assert [run.options["group_index"] for run in runs] == [*range(10)]
    assert {run.options["group_id"] for run in runs} == {result.id}


def test_a_member_keeps_what_a_single_call_keeps(fake_broker):
    make_store("S1")
    later = timezone.now() + dt.timedelta(hours=1)
    kept = {
        "queue": "low_priority",
        "priority": 7,
        "eta": later,
        "expires": later,
        "time_limit": 9,
        "headers": {"trace": "t1"},
        "link": canvas.note.s("link"),
        "link_error": canvas.note.s("error"),
        "store": "S1",
        "requested_by": "ann",
        "stamped_headers": ["shift"],
        "shift": "late",
    }
    single = canvas.add.apply_async((1, 1), task_id="single", **kept)
    group(canvas.add.s(1, 1).set(task_id="member", **kept))()

    own = {"id", "task_id", "created_at", "options"}
    names = [each.attname for each in TaskRun._meta.concrete_fields if each.attname not in own]
    alone, member = (TaskRun.objects.get(task_id=each) for each in (single.id, "member"))
    assert {name: getattr(alone, name) for name in names} == {
        name: getattr(member, name) for name in names
    }
    theirs = dict(member.options)
    assert (theirs.pop("group_index"), bool(theirs.pop("group_id"))) == (0, True)
    assert theirs == alone.options


def test_a_groups_members_have_the_run_that_called_it_as_parent_and_root(fake_broker):
    def call():
        group(canvas.add.s(1, 1), canvas.add.s(2, 2))()

    with ledger_task(call) as task:
        result = task.delay()
        run_all()

    members = runs_of(canvas.add)
    assert {(run.parent_task_id, run.root_id) for run in members} == {(result.id, result.id)}


def test_plain_members_are_sent_as_celery_sends_them(fake_broker, monkeypatch):
    sent = record_plain_messages(monkeypatch)

    result = group(canvas.plain_add.s(1, 1), canvas.add.s(2, 2), canvas.plain_add.s(3, 3))()

    (run,) = runs_of(canvas.add)
    ids = [message.options["task_id"] for message in sent]
    assert [ids[0], run.task_id, ids[1]] == [each.id for each in result.results]


@pytest.mark.parametrize(
    ("options", "error"), [({"colour": 1}, OptionNotKept), ({"queue": "hihg"}, ValueError)]
)
def test_of_a_group_with_a_member_that_is_refused_nothing_is_recorded(fake_broker, options, error):
    with pytest.raises(error):
        group(canvas.add.s(1, 1), canvas.add.s(2, 2).set(**options))()

    assert not TaskRun.objects.exists()


def test_a_member_with_the_task_id_of_other_work_is_refused_and_so_is_its_group(fake_broker):
    canvas.add.apply_async((1, 1), task_id="mine")

    with pytest.raises(TaskIdTaken, match="'mine'"):
        group(canvas.add.s(2, 2), canvas.add.s(3, 3).set(task_id="mine"))()

    assert [run.args for run in runs_of(canvas.add)] == [[1, 1]]


def test_while_a_members_unique_run_waits_no_second_one_is_recorded(fake_broker):
    canvas.add.apply_async((0, 0), unique_key="b")

    group(canvas.add.s(number, 0).set(unique_key=key) for number, key in enumerate("aaab"))()

    assert [(run.args[0], run.unique_key) for run in runs_of(canvas.add)] == [(0, "b"), (0, "a")]


def test_a_rollback_leaves_nothing_of_a_group(publishings, django_capture_on_commit_callbacks):
    def undone():
        with transaction.atomic():
            group(canvas.add.s(1, 1), canvas.add.s(2, 2))()
            assert len(runs_of(canvas.add)) == 2
            raise KeyError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(KeyError):
        undone()

    assert not TaskRun.objects.exists()
    assert publishings == []


def test_a_call_that_is_no_member_is_recorded_at_once(fake_broker, monkeypatch):
    """As of a receiver of a signal of Celery's, who may wait for its result."""
    recorded = []

    def send_task(app, name, *args, **options):
        called = tasks.give_back.delay()
        recorded.append(TaskRun.objects.filter(task_id=called.id).exists())

    monkeypatch.setattr(Celery, "send_task", send_task)

    group(canvas.add.s(1, 1), canvas.plain_add.s(2, 2))()

    assert recorded == [True]


def test_a_call_with_a_producer_of_the_callers_own_is_recorded_at_once(fake_broker):
    with current_app.producer_or_acquire() as producer:
        result = canvas.add.apply_async((1, 1), producer=producer)
        assert TaskRun.objects.filter(task_id=result.id).exists()
