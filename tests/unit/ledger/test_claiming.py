"""Taking runs: one winner, most urgent first, suspects alone."""

import datetime as dt
import threading

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from neural.ledger.claim import Claimant, claim
from neural.ledger.dialects import postgresql
from neural.ledger.outcome import Outcome
from neural.ledger.settle import settle
from neural.models import RunState, TaskRun
from tests.unit.factories import ago, make_event, make_run, make_worker

pytestmark = pytest.mark.django_db

BATCHABLE = ("probe.count", "probe.left")


def run(**fields):
    return make_run(**{"handler": "probe.count", "available_at": ago(seconds=5), **fields})


def take(own, **options):
    return claim(
        **{
            "task_id": own if isinstance(own, str) else own.task_id,
            "claimant": Claimant(None, 77),
            "queue": "default",
            "batchable": BATCHABLE,
            "limit": 50,
            **options,
        }
    )


def test_a_claim_says_who_when_and_under_which_token(django_assert_num_queries):
    worker = make_worker()
    waiting = run(event=make_event())

    (taken,) = take(waiting, claimant=Claimant(worker.pk, 77))

    stored = TaskRun.objects.get()
    assert stored.state == taken.state == RunState.RUNNING
    assert (stored.worker_id, stored.process_id) == (worker.pk, 77)
    assert stored.token == taken.token
    assert abs((timezone.now() - stored.started_at).total_seconds()) < 60
    with django_assert_num_queries(0):  # its event and store came with it
        assert taken.event.store.code == "S01"


def test_a_run_is_taken_once():
    waiting = run()

    assert len(take(waiting)) == 1
    assert take(waiting) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite's way to wait")
@pytest.mark.django_db(transaction=True)
def test_a_claim_waits_for_the_lock_as_other_transactions_do(monkeypatch):
    """Alone, its statement would wait by SQLite's own way, in the end 100 ms at a time."""
    waiting = run()
    begin, began = connection._start_transaction_under_autocommit, []
    monkeypatch.setattr(
        connection,
        "_start_transaction_under_autocommit",
        lambda: (began.append("began"), begin()),
    )

    assert take(waiting)
    assert began == ["began"]


def test_each_claim_has_a_token_of_its_own():
    first, second = run(queue="a"), run(queue="b")

    assert take(first, queue="a")[0].token != take(second, queue="b")[0].token


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.PENDING])
def test_only_a_pending_run_is_taken(state):
    assert take(run(state=state)) == []


def test_a_run_is_not_taken_before_its_time():
    later = run(available_at=timezone.now() + dt.timedelta(minutes=1))

    assert take(later) == []
    assert len(take(later, now=timezone.now() + dt.timedelta(minutes=2))) == 1


def test_an_unknown_task_id_takes_nothing_of_other_tasks():
    run(handler="", task="other")

    assert take("no-such-id") == []


def test_what_else_is_due_is_batched_most_urgent_first():
    own = run(priority=1)
    low, urgent, old = run(priority=5), run(priority=10), run(priority=5, available_at=ago(days=1))

    assert [each.pk for each in take(own)] == [own.pk, urgent.pk, old.pk, low.pk]


def test_a_late_message_still_brings_a_worker_to_what_is_due():
    done, waiting = run(state=RunState.SUCCEEDED), run()

    assert [each.pk for each in take(done)] == [waiting.pk]


def test_no_more_than_the_limit_are_taken_and_the_messages_own_run_is_one_of_them():
    runs = [run(priority=10) for _ in range(6)]
    own = run(priority=1)

    taken = take(own, limit=3)

    assert len(taken) == 3
    assert taken[0].pk == own.pk
    assert {each.pk for each in taken[1:]} < {each.pk for each in runs}


def test_when_not_all_can_be_taken_the_most_urgent_are():
    run(priority=5, available_at=ago(days=1))
    urgent = run(priority=10)
    own = run(priority=1)

    assert [each.pk for each in take(own, limit=2)] == [own.pk, urgent.pk]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("batchable", [BATCHABLE, ()])
def test_of_two_at_once_one_takes_it(batchable):
    """The second waits for the first, sees that the run is taken, and gets nothing."""
    own = run()
    second = []

    def take_it_too():
        try:
            second.extend(take(own, batchable=batchable))
        finally:
            connections.close_all()

    thread = threading.Thread(target=take_it_too)
    with transaction.atomic():
        assert len(take(own, batchable=batchable)) == 1
        thread.start()
        thread.join(0.5)  # by now it waits (or has passed over the locked row)
    thread.join()

    assert second == []


@pytest.mark.parametrize(
    "fields",
    [
        {"queue": "low_priority"},
        {"handler": "probe.count_in_two_steps"},
        {"handler": ""},
        {"failures": 1},
        {"losses": 1},
        {"available_at": timezone.now() + dt.timedelta(days=365)},
        {"state": RunState.CANCELLED},
    ],
)
def test_not_batched(fields):
    """Another queue, work that is not atomic, a suspect, what is not due or not pending."""
    own, other = run(), run(**fields)

    assert [each.pk for each in take(own)] == [own.pk]
    assert TaskRun.objects.get(pk=other.pk).token is None


@pytest.mark.parametrize("count", [{"losses": 1}, {"failures": 1}])
def test_a_run_that_was_delivered_before_is_taken_alone(count):
    """Were it poison, it would condemn its neighbours."""
    own, neighbour = run(**count), run()

    assert [each.pk for each in take(own)] == [own.pk]
    assert TaskRun.objects.get(pk=neighbour.pk).state == RunState.PENDING


def test_work_that_is_not_atomic_is_taken_alone():
    own = run(handler="probe.count_in_two_steps")
    run()

    assert [each.pk for each in take(own)] == [own.pk]


def test_without_batchable_handlers_only_the_run_itself_is_taken():
    own = run()
    run()

    assert [each.pk for each in take(own, batchable=(), limit=1)] == [own.pk]


def test_starting_frees_the_unique_key():
    own = run(unique_key="index")

    take(own)

    run(unique_key="index")
    assert TaskRun.objects.filter(unique_key="index").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_whose_answer_was_lost_is_given_back(monkeypatch):
    """Committed, but its process does not know: the run must not stay running for ever."""
    own = run(event=make_event(), publish_at=timezone.now() + dt.timedelta(hours=1))

    def cut_off(*_):
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patched:
        patched.setattr("neural.ledger.claim._load_events", cut_off)
        patched.setattr(postgresql, "runs_of", cut_off)
        with pytest.raises(OperationalError):
            take(own)

    after = TaskRun.objects.get()
    assert (after.state, after.token) == (RunState.PENDING, None)
    assert (after.losses, after.failures) == (0, 0)
    assert TaskRun.objects.unpublished().count() == 1


on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one way to commit"
)


@pytest.fixture
def commits():
    """How each transaction that changed a run committed, in order (PostgreSQL)."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE how_committed (id serial, state text, how text)")
        cursor.execute("""
            CREATE FUNCTION keep_how() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                INSERT INTO how_committed (state, how)
                VALUES (NEW.state, current_setting('synchronous_commit')); RETURN NULL;
            END $$
        """)
        cursor.execute("""
            CREATE CONSTRAINT TRIGGER keep_how AFTER UPDATE ON neural_taskrun
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION keep_how()
        """)
    yield lambda: asked("SELECT state, how FROM how_committed ORDER BY id")
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER keep_how ON neural_taskrun")
        cursor.execute("DROP FUNCTION keep_how()")
        cursor.execute("DROP TABLE how_committed")


def asked(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("limit", [1, 50])
def test_the_claim_of_atomic_work_does_not_wait_for_the_disk_and_its_outcome_does(limit, commits):
    """The outcome's commit has the claim before it on the disk as well."""
    moment = timezone.now()
    (taken,) = take(run(event=make_event()), limit=limit)
    assert asked("SHOW synchronous_commit") == [("on",)]

    settle([Outcome(run=taken, state=RunState.SUCCEEDED, started_at=moment, finished_at=moment)])

    assert commits() == [("running", "off"), ("succeeded", "on")]


@on_postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fields", [{"handler": "probe.count_in_two_steps"}, {"handler": ""}])
@pytest.mark.parametrize("limit", [1, 50])
def test_the_claim_of_work_in_two_steps_waits_for_the_disk(fields, limit, commits):
    """Its effects are elsewhere: were the claim lost, it would be done twice."""
    take(run(**fields), limit=limit)

    assert commits() == [("running", "on")]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_a_claim_in_a_callers_transaction_leaves_that_ones_commit_as_it_is(commits):
    with transaction.atomic():
        take(run())
        assert asked("SHOW synchronous_commit") == [("on",)]

    assert commits() == [("running", "on")]


def test_a_claimed_run_is_whole(django_assert_num_queries):
    """Whatever statement it came by, it is the row and its event's row as Django reads them."""
    event = make_event(payload={"item": "面粉", "level": 3.5, "of": [None, True]})
    waiting = run(
        event=event, store=event.store, kwargs={"a": [1]}, result={"old": 1}, failures=2, priority=9
    )

    (taken,) = take(waiting, limit=1)

    with django_assert_num_queries(0):  # what no work needs is read when it is asked for
        assert taken.event.store.code == event.store_id
        assert (taken.kwargs, taken.options, taken.failures) == ({"a": [1]}, {}, 2)
        assert taken.event.payload == event.payload
        assert (taken.event.occurred_at, taken.event.recorded_at) > (ago(days=1), ago(days=1))
    stored = TaskRun.objects.select_related("event__store").get()
    for one, other in (
        (taken, stored),
        (taken.event, stored.event),
        (taken.event.store, stored.event.store),
    ):
        assert not one._state.adding
        assert one._state.db == other._state.db
        assert fields_of(one) == fields_of(other)


def fields_of(row):
    return {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields}


@pytest.mark.parametrize("batchable", [BATCHABLE, ()])
def test_a_message_takes_no_run_of_another_task(batchable):
    waiting = run(task="probe.count", available_at=ago(seconds=5))

    assert take(waiting, task="probe.left", batchable=batchable, queue="elsewhere") == []
    assert take(waiting, task="probe.count", batchable=batchable) == [waiting]


@pytest.mark.django_db(transaction=True)
def test_a_process_that_is_ended_in_the_middle_of_a_claim_gives_its_runs_back(settings):
    """A signal may come when the statement has changed the rows but not returned them all."""
    settings.NEURAL = {**settings.NEURAL, "settle_seconds": 0.1}
    waiting = [run() for _ in range(3)]

    def end_after_the_first_row(execute, sql, params, many, context):
        result = execute(sql, params, many, context)
        if "state = 'running'" in sql:
            raise SystemExit
        return result

    with connection.execute_wrapper(end_after_the_first_row), pytest.raises(SystemExit):
        take(waiting[0])

    assert set(TaskRun.objects.values_list("state", "token")) == {(RunState.PENDING, None)}
    assert len(take(waiting[0])) == 3
