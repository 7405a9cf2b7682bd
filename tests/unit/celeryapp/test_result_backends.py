"""AsyncResult of ledger tasks and of plain ones, on each result backend."""

import pickle
import time

import pytest
from billiard.exceptions import WorkerLostError
from celery import chain, chord, current_app, group, states
from celery.app.task import Context
from celery.backends.base import DisabledBackend
from celery.backends.cache import CacheBackend
from celery.backends.rpc import RPCBackend
from celery.exceptions import ChordError, Ignore, Reject, TaskRevokedError
from celery.exceptions import TimeoutError as ResultTimeout
from celery.result import AsyncResult, GroupResult
from django.utils import timezone
from django_celery_results.backends import DatabaseBackend
from django_celery_results.models import ChordCounter, TaskResult

import neural
from neural.celeryapp.results import (
    DatabaseResults,
    LedgerOnly,
    LedgerResults,
    RedisResults,
    answering,
)
from neural.kit.errors import NeuralError
from neural.ledger.settle import mark_lost
from neural.models import RunState, TaskAttempt, TaskRun
from tests.celery_versions import since_celery_5_7
from tests.probe import canvas, tasks
from tests.probe.acting import Failing, NeverAgain
from tests.unit.celeryapp.canvas import ledger_task, record_plain_messages, run_all, runs_of
from tests.unit.factories import make_run, make_worker

pytestmark = pytest.mark.django_db


class NowhereRedis(RedisResults):
    """Nothing listens there: answers from the ledger need no Redis."""

    def __init__(self, app):
        super().__init__(app=app, url="redis://127.0.0.1:1/2")


def nowhere_rpc(app):
    """Answers of plain tasks would come by messages, which nobody sends."""
    return answering(RPCBackend)(app=app)


class OwnDatabaseBackend(DatabaseBackend):
    """A project's own."""


@pytest.fixture(params=[DatabaseResults, NowhereRedis, LedgerOnly, nowhere_rpc])
def backend(request, monkeypatch):
    """Each backend in its turn, as the application's."""
    backend = request.param(current_app._get_current_object())
    monkeypatch.setattr(current_app, "_backend_cache", backend)
    assert current_app.backend is backend
    return backend


def look(run):
    return AsyncResult(run.task_id, app=current_app)


# States


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"state": RunState.PENDING}, states.PENDING),
        ({"state": RunState.PENDING, "losses": 1}, states.PENDING),
        ({"state": RunState.PENDING, "failures": 1, "error": "E: e"}, states.RETRY),
        ({"state": RunState.RUNNING}, states.STARTED),
        ({"state": RunState.SUCCEEDED}, states.SUCCESS),
        ({"state": RunState.DEAD, "error": "E: e"}, states.FAILURE),
        ({"state": RunState.DISCARDED, "error": "E: e"}, states.FAILURE),
        ({"state": RunState.DISCARDED, "failures": 1}, states.IGNORED),
        ({"state": RunState.CANCELLED}, states.REVOKED),
    ],
)
def test_a_runs_state_in_celerys_words(backend, fields, expected):
    run = make_run(**fields)

    assert look(run).state == expected
    assert look(run).ready() == (expected in states.READY_STATES)


@since_celery_5_7("AsyncResult has no exists()")
def test_an_id_that_nobody_knows_is_pending_as_in_celery(monkeypatch):
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))

    assert AsyncResult("nobody").state == states.PENDING
    assert not AsyncResult("nobody").exists()


@since_celery_5_7("AsyncResult has no exists()")
def test_a_run_exists_from_the_moment_it_was_recorded(backend):
    assert look(make_run()).exists()


def test_a_run_under_way_says_where(backend):
    run = make_run(RunState.RUNNING, worker=make_worker("w@host"), process_id=77)

    assert look(run).result == {"pid": 77, "hostname": "w@host"}
    assert look(run).worker == "w@host"


# Values


@pytest.mark.parametrize("value", [None, 0, "ä", [1, {"a": None}], {"deep": [[1.5]]}])
def test_the_value_is_what_the_task_returned(backend, fake_broker, value):
    with ledger_task(identity) as task:
        result = task.delay(value)
        neural.run_due()

    assert result.get(timeout=1) == value
    assert result.successful()


def identity(value):
    return value


def test_dates_and_decimals_come_back_as_celery_brings_them(backend, fake_broker):
    import datetime as dt
    from decimal import Decimal

    values = [dt.datetime(2026, 3, 1, tzinfo=dt.UTC), Decimal("1.10")]
    result = tasks.give_back.delay(*values)
    neural.run_due()

    assert result.get(timeout=1) == [values, {}]


def test_get_waits_and_gives_up_in_time(backend, fake_broker):
    with pytest.raises(ResultTimeout):
        canvas.add.delay(1, 1).get(timeout=0.01, interval=0.01)


def test_whoever_waits_needs_no_connection_to_the_result_backend(backend, fake_broker):
    """Redis is nowhere in half of these tests; yet results are answered and waited for."""
    results = group(canvas.add.s(number, 1) for number in range(3))()
    run_all()

    assert results.get(timeout=1) == [1, 2, 3]
    assert dict(results.iter_native(timeout=1)).keys() == {result.id for result in results}
    assert isinstance(results, GroupResult)
    assert results.completed_count() == 3


# How it waits


class Looks:
    """The pauses between looks; ends a run before a look of a given number."""

    def __init__(self, time_that, monkeypatch):
        self.pauses = []
        self.ends = {}
        passes = time_that.passes
        monkeypatch.setattr(time, "sleep", lambda pause: (passes(pause), self._slept(pause)))

    def _slept(self, pause):
        self.pauses.append(pause)
        for run in self.ends.pop(len(self.pauses), ()):
            TaskRun.objects.filter(pk=run.pk).update(state="succeeded", finished_at=timezone.now())


@pytest.fixture
def looks(time_that, monkeypatch):
    return Looks(time_that, monkeypatch)


def test_it_looks_soon_and_then_more_rarely(backend, looks):
    with pytest.raises(ResultTimeout):
        look(make_run()).get(timeout=60)

    passed = [sum(looks.pauses[:place]) for place in range(len(looks.pauses))]
    assert looks.pauses[:8] == [0.002] * 8
    for pause, before in zip(looks.pauses[8:-1], passed[8:-1], strict=True):
        assert pause == pytest.approx(min(before / 8, 0.5))
    assert looks.pauses[-2] == 0.5
    assert sum(looks.pauses) == pytest.approx(60)  # never beyond the timeout


def test_an_interval_of_the_callers_own_is_kept(backend, looks):
    with pytest.raises(ResultTimeout):
        look(make_run()).get(timeout=1, interval=0.25)

    assert looks.pauses == [0.25] * 4


def test_a_look_is_one_statement_for_all_that_is_waited_for(
    backend, looks, django_assert_num_queries
):
    runs = [make_run() for _ in range(5)]
    looks.ends = {3: runs[:2], 4: runs[2:]}
    results = current_app.GroupResult("group", [look(run) for run in runs])

    # Five looks; two of them read what has ended, and its children. And five runs are ended.
    with django_assert_num_queries(5 + 2 * 2 + 5):
        assert results.get(timeout=60) == [None] * 5


def test_a_group_raises_the_error_of_a_task_though_others_go_on(backend, looks):
    dead, goes_on = make_run(RunState.DEAD, error="E: e"), make_run()
    results = current_app.GroupResult("group", [look(dead), look(goes_on)])

    with pytest.raises(WorkerLostError):
        results.get(timeout=60)
    assert looks.pauses == []


def test_a_group_in_which_a_task_follows_a_dead_one_raises_its_error(backend, fake_broker):
    result = group(chain(canvas.fail.s("first"), canvas.add.s(1)), canvas.add.s(1, 1))()
    run_all()

    with pytest.raises(Failing, match="first"):
        result.get(timeout=60)


def test_a_group_of_plain_tasks_is_waited_for_too():
    backend = answering(CacheBackend)(app=current_app, url="memory://")
    for number in range(3):
        backend.store_result(f"plain-{number}", number, states.SUCCESS)

    found = dict(backend.get_many([f"plain-{number}" for number in range(3)], timeout=1))

    assert [found[f"plain-{number}"]["result"] for number in range(3)] == [0, 1, 2]


def test_plain_tasks_in_the_database_are_one_statement_a_look(django_assert_num_queries):
    backend = DatabaseResults(current_app)

    with django_assert_num_queries(3):  # the ledger, the table of results, and what never starts
        assert not list(backend.get_many(["a", "b", "c"], max_iterations=1))


def test_a_groups_result_can_be_pickled(fake_broker):
    result = group(canvas.add.s(1, 1), canvas.add.s(2, 2))()

    assert pickle.loads(pickle.dumps(result)) == result


# Failures


def test_a_failure_is_raised_as_the_class_that_it_was(backend, fake_broker):
    result = canvas.fail.delay("this: and that")
    neural.run_due()

    with pytest.raises(Failing, match=r"^this: and that$"):
        result.get(timeout=1)
    assert isinstance(result.get(propagate=False), Failing)
    assert isinstance(result.result, Failing)
    assert result.failed()
    assert result.traceback.startswith("Traceback")
    assert "canvas.py" in result.traceback


def test_of_errors_in_a_row_the_last_one_is_the_failure(backend, fake_broker):
    def both():
        try:
            raise Failing("first")
        except Failing:
            raise NeverAgain("second") from None

    with ledger_task(both) as task:
        result = task.delay()
        neural.run_due()

    with pytest.raises(NeverAgain, match="second"):
        result.get(timeout=1)
    with pytest.raises(NeuralError):
        result.get(timeout=1)


def test_a_class_that_is_not_here_has_a_stand_in_of_its_name(backend):
    run = make_run(RunState.DEAD, error="Gone: away")
    _failed_attempt(run, error="Gone: away", traceback="Traceback …\nno.such.module.Gone: away\n")

    assert type(look(run).result).__name__ == "Gone"


def _failed_attempt(run, **fields):
    TaskAttempt.objects.create(run=run, outcome="failed", started_at=timezone.now(), **fields)


def test_what_waits_for_its_retry_shows_its_last_error(backend, fake_broker):
    result = tasks.count.delay(key="k", fail_times=1)
    neural.run_due()

    assert result.state == states.RETRY
    assert str(result.result) == "failure 1 of 1"
    assert "acting.py" in result.traceback
    assert result.retries == 1


def test_a_lost_process_is_celerys_worker_lost_error(backend, fake_broker):
    run = make_run(RunState.RUNNING)
    mark_lost([run], max_losses=1, why="its process died")

    with pytest.raises(WorkerLostError, match="its process died"):
        look(run).get(timeout=1)


def test_a_revoked_run_raises_task_revoked_error(backend):
    with pytest.raises(TaskRevokedError, match="revoked"):
        look(make_run(RunState.CANCELLED)).get(timeout=1)


def test_an_expired_run_raises_task_revoked_error_and_says_why(backend, fake_broker):
    result = canvas.add.apply_async((1, 1), expires=-1)
    neural.run_due()

    with pytest.raises(TaskRevokedError, match="it expired at"):
        result.get(timeout=1)


def test_a_rejected_run_is_a_failure(backend, fake_broker):
    def reject():
        raise Reject("not wanted", requeue=False)

    with ledger_task(reject) as task:
        result = task.delay()
        neural.run_due()

    assert result.state == states.FAILURE
    assert type(result.result).__name__ == "Reject"
    assert "not wanted" in str(result.result)


def test_an_ignored_run_has_no_result_to_wait_for(backend, fake_broker):
    def ignore():
        raise Ignore

    with ledger_task(ignore) as task:
        result = task.delay()
        neural.run_due()

    assert result.state == states.IGNORED
    with pytest.raises(ResultTimeout):
        result.get(timeout=0.01, interval=0.01)


# Families


def test_children_are_the_runs_that_it_asked_for(backend, fake_broker):
    result = canvas.ask_for_others.delay()
    assert result.children == []  # known when it has ended, as in Celery
    run_all()

    result = look(TaskRun.objects.get(task_id=result.id))
    assert [child.id for child in result.children] == result.get(timeout=1)
    assert [child.get(timeout=1) for child in result.children] == [0, 1]


def test_while_a_run_is_under_way_its_children_are_not_counted(backend):
    """Whoever waits asks again and again, and there may be thousands."""
    run = make_run(RunState.RUNNING)
    make_run(parent_task_id=run.task_id)

    assert look(run).children == []


def test_children_are_what_followed_plain_tasks_too(backend, fake_broker, monkeypatch):
    sent = record_plain_messages(monkeypatch)
    links = [canvas.add.s(1), canvas.plain_add.s(1)]
    result = canvas.add.apply_async((1, 1), link=links)
    run_all()

    (message,) = sent
    expected = [runs_of(canvas.add)[1].task_id, message.options["task_id"]]
    assert [child.id for child in result.children] == expected


def test_a_chains_result_knows_its_parents_and_raises_their_error(backend, fake_broker):
    result = chain(canvas.fail.s("first"), canvas.add.s(1))()
    run_all()

    assert result.parent.failed()
    with pytest.raises(Failing, match="first"):
        result.get(timeout=1)


def test_a_result_names_its_task_arguments_queue_and_parent(backend):
    run = make_run(task="probe.add", args=[1, 2], kwargs={}, parent_task_id="parent")

    assert (look(run).name, look(run).args, look(run).queue) == ("probe.add", [1, 2], "default")
    assert current_app.backend.get_task_meta(run.task_id)["parent_id"] == "parent"


# What is stored


def test_to_forget_a_result_leaves_the_ledger_as_it_is(fake_broker, monkeypatch):
    monkeypatch.setattr(current_app, "_backend_cache", DatabaseResults(current_app))
    result = canvas.add.delay(1, 1)
    run_all()

    result.forget()

    assert result.get(timeout=1) == 2


def test_nothing_is_stored_of_a_ledger_task_beside_the_ledger():
    backend = DatabaseResults(current_app)
    request = canvas.add.request_stack.top or canvas.add.request
    request.task = "probe.add"

    backend.store_result("id", 1, states.SUCCESS, request=request)

    assert not TaskResult.objects.exists()


def test_a_plain_tasks_result_is_stored_and_read_as_usual():
    backend = DatabaseResults(current_app)
    backend.store_result("plain", {"a": 1}, states.SUCCESS)

    assert AsyncResult("plain", backend=backend).get(timeout=1) == {"a": 1}


# Chords


def test_a_chord_ends_though_a_message_of_its_header_comes_twice(monkeypatch):
    backend = DatabaseResults(current_app)
    monkeypatch.setattr(current_app, "_backend_cache", backend)
    sent = record_plain_messages(monkeypatch)
    chord([canvas.plain_add.s(1, 1), canvas.plain_add.s(2, 2)])(canvas.plain_note.s("sum"))
    one, other = [
        Context(
            task=each.name,
            id=each.options["task_id"],
            group=each.options["group_id"],
            chord=each.options["chord"],
        )
        for each in sent
    ]

    for request, value in [(one, 2), (one, 2), (other, 4)]:
        backend.mark_as_done(request.id, value, request=request)

    assert [each.args for each in sent[2:]] == [[[2, 4], "sum"]]
    assert not ChordCounter.objects.exists()


def test_a_chord_without_kept_results_tells_its_last_task_of_an_error(monkeypatch):
    """Celery's own backend forgets such a chord without a word."""
    backend = DatabaseResults(current_app)
    monkeypatch.setattr(current_app, "_backend_cache", backend)
    monkeypatch.setitem(current_app.conf, "result_chord_join_timeout", 0.01)
    sent = record_plain_messages(monkeypatch)
    header = [canvas.plain_add.s(1, 1), canvas.plain_add.s(2, 2)]
    result = chord(header)(canvas.plain_note.s("sum"))

    for each in list(sent):
        request = Context(task=each.name, id=each.options["task_id"], **each.options)
        request.update(group=each.options["group_id"], ignore_result=True)
        backend.mark_as_done(request.id, 2, request=request)

    assert not ChordCounter.objects.exists()
    assert isinstance(result.result, ChordError)


# Whatever backend is named


def test_the_ledger_stands_before_any_backend_that_a_project_names():
    assert answering(DatabaseBackend) is DatabaseResults
    assert answering(DatabaseResults) is DatabaseResults
    assert answering(DisabledBackend) is LedgerOnly
    assert {CacheBackend, LedgerResults} <= set(answering(CacheBackend).__mro__)
    assert {OwnDatabaseBackend, DatabaseResults} <= set(answering(OwnDatabaseBackend).__mro__)


def test_a_plain_tasks_result_is_stored_and_read_in_any_backend():
    backend = answering(CacheBackend)(app=current_app, url="memory://")
    backend.store_result("plain", {"a": 1}, states.SUCCESS)

    assert AsyncResult("plain", backend=backend).get(timeout=1) == {"a": 1}


def test_where_no_backend_is_named_a_plain_tasks_result_is_not_kept():
    backend = LedgerOnly(current_app)
    backend.store_result("plain", 1, states.SUCCESS)

    assert AsyncResult("plain", backend=backend).state == states.PENDING
    assert not AsyncResult("plain", backend=backend).exists()
    with pytest.raises(NotImplementedError, match="CELERY_RESULT_BACKEND"):
        backend.apply_chord(("g", [AsyncResult("plain", backend=backend)]), canvas.total.s())


# Revoked by a worker


@pytest.mark.parametrize(("state", "ends"), [("pending", "cancelled"), ("running", "running")])
def test_what_a_worker_was_told_to_refuse_is_cancelled(backend, state, ends):
    run = make_run(RunState(state))

    backend.mark_as_revoked(run.task_id, "revoked", store_result=True)

    run.refresh_from_db()
    assert run.state == ends


def test_what_a_worker_was_told_to_end_is_cancelled_under_way(backend):
    run = make_run(RunState.RUNNING)

    backend.mark_as_revoked(run.task_id, "terminated")

    run.refresh_from_db()
    assert (run.state, run.token) == (RunState.CANCELLED, None)


def test_a_worker_forgets_that_it_was_told_to_refuse_a_run(backend):
    """Else a person who retries it would see it cancelled again."""
    from celery.worker import state as worker_state

    run = make_run()
    worker_state.revoked.add(run.task_id)

    backend.mark_as_revoked(run.task_id, "revoked")

    assert run.task_id not in worker_state.revoked
