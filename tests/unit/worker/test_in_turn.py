"""Runs in turn: each its own transaction and outcome, one wait for the disk, hooks after that."""

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.db import OperationalError, connection, connections, transaction

from neural.kit.errors import PermanentError
from neural.ledger import dialects, execute, ports
from neural.ledger.claim import Claimant, claim
from neural.ledger.work import Work, WorkSource, default_retry
from neural.models import RunState, TaskRun
from neural.runs.models import run_ends
from neural.worker.in_turn import pace_of, run_in_turn
from tests.probe.models import Effect
from tests.unit.factories import ago, make_run
from tests.unit.ledger.test_claiming import asked, commits, on_postgresql  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db
really_committed = pytest.mark.django_db(transaction=True)

TASK = "probe.count"


class Source(WorkSource):
    """The function for a run is that in `functions` under its task id."""

    def __init__(self, functions, *, atomic=True):
        self.functions, self.atomic = functions, atomic
        self.seen = []

    def work_for(self, run):
        function = self.functions[run.task_id]
        return Work(function=function, atomic=self.atomic, retry=default_retry())

    def begins(self, run):
        self.seen.append(f"begins {run.task_id}")

    def ends(self, outcome):
        self.seen.append(f"ends {outcome.run.task_id}")


def claimed(keys, *, waits=False):
    for place, key in enumerate(keys):
        make_run(task_id=key, task=TASK, available_at=ago(seconds=60 - place))
    runs = claim(
        task_id=keys[0],
        task=TASK,
        claimant=Claimant(),
        queue="default",
        batchable=[""],
        limit=50,
        in_turn=True,
        waits=waits,
    )
    assert [run.task_id for run in runs] == list(keys)
    return runs


def perform(functions, *, atomic=True):
    runs = claimed("".join(functions), waits=not atomic)
    return run_in_turn(Source(functions, atomic=atomic), runs, own=runs[0].task_id)


def leaving(key, *, then=lambda: None):
    """Work that leaves an effect."""

    def work():
        Effect.objects.create(key=key)
        return then()

    return work


def fails():
    raise PermanentError("never")


def states():
    return dict(TaskRun.objects.values_list("task_id", "state"))


@pytest.fixture
def heard(monkeypatch):
    """What happens, in order: flushes, and what the works of a test add."""
    heard = []
    dialect = type(dialects.ledger_dialect())
    flush = dialect.flush

    def flushed(self, cursor):
        flush(self, cursor)
        heard.append("flush")

    monkeypatch.setattr(dialect, "flush", flushed)
    return heard


def announcing(heard, key):
    return leaving(key, then=lambda: transaction.on_commit(lambda: heard.append(f"hook {key}")))


@pytest.mark.parametrize("atomic", [True, False])
def test_each_has_its_own_outcome_and_one_that_fails_disturbs_no_neighbour(atomic):
    outcomes = perform(
        {"a": leaving("a"), "b": leaving("b", then=fails), "c": leaving("c")}, atomic=atomic
    )

    assert states() == {"a": "succeeded", "b": "dead", "c": "succeeded"}
    assert [outcome.state for outcome in outcomes] == ["succeeded", "dead", "succeeded"]
    assert Effect.counts() == dict.fromkeys("ac" if atomic else "abc", 1)


def test_they_are_executed_in_order_and_all_but_the_messages_own_are_told_of():
    order = []
    functions = {key: (lambda key=key: order.append(key)) for key in "abc"}
    runs = claimed("abc")
    source = Source(functions)

    run_in_turn(source, runs, own="a")

    assert order == ["a", "b", "c"]
    assert source.seen == ["begins b", "ends b", "begins c", "ends c"]


@really_committed
def test_each_is_committed_before_the_next_begins():
    seen = []

    def look():
        seen.append(TaskRun.objects.filter(state=RunState.SUCCEEDED).count())
        assert len(connection.savepoint_ids) == 0

    perform(dict.fromkeys("abc", look))

    assert seen == [0, 1, 2]


@on_postgresql
@really_committed
@pytest.mark.parametrize("atomic", [True, False])
def test_they_wait_for_the_disk_once_and_hooks_wait_for_that(atomic, heard, commits):  # noqa: F811
    perform({key: announcing(heard, key) for key in "abc"}, atomic=atomic)

    claims = [("running", "off" if atomic else "on")] * 3
    assert commits() == [*claims, *[("succeeded", "off")] * 3]
    assert asked("SHOW synchronous_commit") == [("on",)]
    hooks = ["hook a", "hook b", "hook c"]
    # What two-step work commits itself is on the disk by then.
    assert heard == (["flush", *hooks] if atomic else [*hooks, "flush"])


@on_postgresql
@really_committed
@pytest.mark.parametrize("atomic", [True, False])
def test_what_tells_of_an_outcome_waits_for_the_disk(atomic, heard, monkeypatch):
    def tell(ended):
        transaction.on_commit(lambda: heard.append(f"told {ended[0].run.task_id}"))

    monkeypatch.setattr(run_ends, "_listeners", {"test": tell})

    perform({key: leaving(key) for key in "ab"}, atomic=atomic)

    assert heard == ["flush", "told a", "told b"]


@really_committed
def test_the_hook_of_a_run_that_failed_is_not_called_and_one_that_raises_stops_no_other(heard):
    def bad_hook():
        raise ValueError("in a hook")

    def failing():
        transaction.on_commit(lambda: heard.append("hook of what failed"))
        fails()

    perform(
        {
            "a": lambda: transaction.on_commit(bad_hook),
            "b": failing,
            "c": announcing(heard, "c"),
        }
    )

    assert [each for each in heard if each != "flush"] == ["hook c"]


@really_committed
def test_one_run_alone_waits_for_its_own_commit(heard):
    perform({"a": announcing(heard, "a")})

    assert heard == ["hook a"]


@pytest.fixture
def other_database():
    settings = {**connections["default"].settings_dict, "OPTIONS": {}, "NAME": ":memory:"}
    connections.databases["other"] = {**settings, "ENGINE": "django.db.backends.sqlite3"}
    connections["other"].connect()  # pytest lets nobody connect to a database that it has not made
    yield connections["other"]
    connections["other"].close()
    del connections["other"], connections.databases["other"]


@on_postgresql
@really_committed
@pytest.mark.parametrize(
    ("statement", "how"), [("CREATE TABLE effects (key)", "on"), ("SELECT 1", "off")]
)
def test_one_that_wrote_to_another_database_waits_itself(
    statement,
    how,
    other_database,
    commits,  # noqa: F811
):
    """Its effect there is on the disk, so its outcome must be."""

    def elsewhere():
        with other_database.cursor() as cursor:
            cursor.execute(statement)

    perform({"a": elsewhere, "b": leaving("b")})

    assert commits()[2:] == [("succeeded", how), ("succeeded", "off")]


# Time


def test_after_the_soft_limit_no_other_is_begun_and_a_relay_publishes_them():
    def slow():
        raise SoftTimeLimitExceeded

    outcomes = perform({"a": leaving("a"), "b": slow, "c": leaving("c"), "d": leaving("d")})

    assert states() == {"a": "succeeded", "b": "pending", "c": "pending", "d": "pending"}
    assert [outcome.skipped for outcome in outcomes] == [False, False, True, True]
    given_back = TaskRun.objects.unpublished().filter(task_id__in="cd", failures=0, losses=0)
    assert given_back.count() == 2
    assert Effect.counts() == {"a": 1}


def test_when_the_time_is_up_no_other_is_begun(settings):
    settings.NEURAL = {**settings.NEURAL, "batch_claim_seconds": 1e-9}

    perform(dict.fromkeys("abc", lambda: None))

    assert states() == {"a": "succeeded", "b": "pending", "c": "pending"}


def test_an_error_outside_of_the_work_keeps_no_run_in_its_process(monkeypatch):
    monkeypatch.setattr(Source, "begins", lambda *_: 1 / 0)

    with pytest.raises(ZeroDivisionError):
        perform(dict.fromkeys("abc", lambda: None))

    assert states() == {"a": "succeeded", "b": "pending", "c": "pending"}


def test_the_pace_of_a_task_is_learned_from_each_of_its_runs():
    perform({"a": lambda: None})

    assert execute.fitting(pace_of(TASK, ""), seconds=3600, unknown=-1) > 1
    assert execute.fitting(pace_of("another", ""), seconds=3600, unknown=-1) == -1


def test_those_that_wait_are_noted_until_they_begin(waiting):
    seen = []

    perform(dict.fromkeys("abc", lambda: seen.append("".join(sorted(waiting)))))

    assert seen == ["bc", "c", ""]


def test_one_that_a_relay_has_released_meanwhile_is_not_begun(monkeypatch):
    def note(runs, *, waiting):
        return not waiting and runs[0].task_id == "b"

    monkeypatch.setattr(ports, "note_waiting", note)

    perform({key: leaving(key) for key in "abc"})

    assert states() == {"a": "succeeded", "b": "pending", "c": "succeeded"}
    assert Effect.counts() == dict.fromkeys("ac", 1)


# A server that crashes before the flush


def crash(monkeypatch, undo):
    """The server crashes: `undo` is called, as if it had lost what was not on its disk."""
    dialect = type(dialects.ledger_dialect())
    flush, crashed = dialect.flush, []

    def crashing(self, cursor):
        if not crashed:
            crashed.append(1)
            undo()
            raise OperationalError("server closed the connection unexpectedly")
        flush(self, cursor)

    monkeypatch.setattr(dialect, "flush", crashing)


def lose(task_id, token):
    """The outcome is lost, and the claim is not."""
    Effect.objects.filter(key=task_id).delete()
    running = {"state": RunState.RUNNING, "token": token, "finished_at": None}
    TaskRun.objects.filter(task_id=task_id).update(**running)


@on_postgresql
@really_committed
def test_an_atomic_run_whose_outcome_a_crash_has_undone_is_due_again_and_not_told_of(
    heard, monkeypatch
):
    runs = claimed("abc")
    crash(monkeypatch, lambda: lose("b", runs[0].token))

    outcomes = run_in_turn(Source({key: announcing(heard, key) for key in "abc"}), runs, own="a")

    assert states() == {"a": "succeeded", "b": "pending", "c": "succeeded"}
    assert [outcome.skipped for outcome in outcomes] == [False, True, False]
    assert TaskRun.objects.unpublished().filter(task_id="b", failures=0).exists()
    assert heard == ["flush", "hook a", "hook c"]


@on_postgresql
@really_committed
def test_the_outcome_of_work_in_two_steps_is_recorded_again_after_a_crash(heard, monkeypatch):
    runs = claimed("abc", waits=True)
    crash(monkeypatch, lambda: lose("b", runs[0].token))
    done = []
    functions = {key: (lambda key=key: done.append(key)) for key in "abc"}

    outcomes = run_in_turn(Source(functions, atomic=False), runs, own="a")

    assert all(outcome.succeeded for outcome in outcomes)
    assert states() == dict.fromkeys("abc", "succeeded")
    assert done == ["a", "b", "c"]


@on_postgresql
@really_committed
def test_a_run_that_another_worker_has_done_again_after_a_crash_is_that_ones_to_tell_of(
    heard, monkeypatch
):
    runs = claimed("ab")
    started = {"started_at": ago(seconds=1)}
    crash(monkeypatch, lambda: TaskRun.objects.filter(task_id="b").update(**started))

    outcomes = run_in_turn(Source({key: announcing(heard, key) for key in "ab"}), runs, own="a")

    assert [outcome.skipped for outcome in outcomes] == [False, True]
    assert states() == dict.fromkeys("ab", "succeeded")
    assert heard == ["flush", "hook a"]


@on_postgresql
@really_committed
def test_the_soft_limit_during_the_flush_keeps_no_hook_from_its_turn(heard, monkeypatch):
    def struck():
        raise SoftTimeLimitExceeded

    crash(monkeypatch, struck)

    perform({key: announcing(heard, key) for key in "ab"})

    assert heard == ["flush", "hook a", "hook b"]


@really_committed
def test_where_the_process_is_being_ended_the_run_at_work_stays_its_own(monkeypatch):
    """Otherwise a run that outlives its hard limit would start again for ever, uncounted."""

    def end(source, run):
        if run.task_id == "b":
            raise SystemExit

    monkeypatch.setattr(Source, "begins", end)
    with pytest.raises(SystemExit):
        perform(dict.fromkeys("abc", lambda: 1))

    states = dict(TaskRun.objects.values_list("task_id", "state"))
    assert states == {"a": "succeeded", "b": "running", "c": "pending"}
