"""A run that cannot be read fails alone: its neighbours go on, and nothing stays taken."""

import pytest
from django.db import OperationalError, connection

import neural
from neural.ledger import claim as claiming
from neural.ledger.claim import Claimant, _take, _take_with_events, claim
from neural.models import NeuralEvent, RunState, TaskRun
from tests.probe.models import Effect
from tests.probe.tasks import give_back
from tests.unit.factories import ago, make_event, make_run

pytestmark = pytest.mark.django_db

LEVELS = 990  # SQLite keeps no more than 1,000
DEEP = "[" * LEVELS + "]" * LEVELS


def event_run(key, payload=None, **fields):
    event = make_event(key, type="probe.counted", payload={"key": key})
    if payload:
        overwrite("neural_neuralevent", event.pk, "payload", payload)
    fields |= {"handler": "probe.count", "available_at": ago(seconds=5), "event": event}
    return make_run(store=event.store, **fields)


def overwrite(table, key, column, text):
    """As an older release, or a hand, has written it."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {column} = %s WHERE id = %s", [text, key])


def take(run, **options):
    batching = {"batchable": ("probe.count",), "limit": 50, **options}
    return claim(task_id=run.task_id, claimant=Claimant(None, 77), queue="default", **batching)


@pytest.mark.parametrize("which", ["own", "neighbour"])
def test_an_event_that_cannot_be_read_is_dead_and_its_neighbours_are_taken(which):
    own = event_run("a", DEEP if which == "own" else None)
    others = [event_run(key, DEEP if (which, key) == ("neighbour", "c") else None) for key in "bcd"]
    culprit = own if which == "own" else others[1]

    taken = take(own)

    sound = {each.pk for each in (own, *others)} - {culprit.pk}
    assert {run.pk for run in taken} == sound
    assert {run.event.payload["key"] for run in taken} == {run.event.event_id for run in taken}
    dead = TaskRun.objects.defer(None).get(pk=culprit.pk)
    assert dead.state == RunState.DEAD
    assert "the payload of its event cannot be read: RecursionError" in dead.error
    assert dead.attempts.get().error == dead.error
    assert set(TaskRun.objects.running()) == set(taken)


def test_what_is_taken_that_way_is_worked_on_as_ever(fake_broker):
    event_run("a", DEEP)
    event_run("b")

    outcomes = neural.run_due()

    assert [outcome.succeeded for outcome in outcomes] == [True]
    assert Effect.counts() == {"b": 1}


@pytest.mark.parametrize("column", ["args", "kwargs", "options", "result"])
def test_whatever_cannot_be_read_of_a_run_its_reason_names_it(column, monkeypatch):
    """Within a list of batchable or alone."""
    run = make_run(task=give_back.name, available_at=ago(seconds=5))
    monkeypatch.setattr("neural.ledger.claim._take", cannot_be_read)
    monkeypatch.setattr("neural.ledger.claim._take_with_events", cannot_be_read)
    monkeypatch.setattr(claiming, "_value", unreadable_is(column))

    assert take(run, batchable=(), limit=1) == []

    run.refresh_from_db()
    assert (run.state, run.token) == (RunState.DEAD, None)
    assert run.error == f"RunUnreadable: its {column} cannot be read"


def cannot_be_read(dialect, chosen, parameters, batchable):
    token = parameters[-3]
    TaskRun.objects.filter(state="pending").update(state="running", token=token, started_at=ago())
    raise RecursionError("maximum recursion depth exceeded")


def unreadable_is(column):
    read = claiming._value

    def value(row, name, what):
        if name == column:
            raise claiming.RunUnreadable(f"{what} cannot be read")
        return read(row, name, what)

    return value


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "error", [MemoryError(), KeyboardInterrupt(), SystemExit(3), OperationalError("gone")]
)
def test_an_error_that_is_not_of_a_row_gives_back_whatever_was_taken(monkeypatch, error):
    runs = [event_run(key) for key in "abc"]
    take_all = _take_with_events if connection.vendor == "postgresql" else _take

    def fail(*given):
        take_all(*given)
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(f"neural.ledger.claim.{take_all.__name__}", fail)
        with pytest.raises(type(error)):
            take(runs[0])

    states = TaskRun.objects.values_list("state", "token", "failures", "losses")
    assert set(states) == {(RunState.PENDING, None, 0, 0)}


def test_an_error_before_anything_was_taken_is_raised_as_it_is(monkeypatch):
    def fail(*_):
        raise TypeError("a bug")

    monkeypatch.setattr("neural.ledger.claim._take", fail)
    monkeypatch.setattr("neural.ledger.claim._take_with_events", fail)

    with pytest.raises(TypeError, match="a bug"):
        take(event_run("a"))


def test_an_event_sent_again_is_told_though_its_payload_cannot_be_read(fake_broker):
    fields = {"type": "probe.counted", "store": "S1", "source": "till"}
    first = neural.submit(**fields, event_id="1", payload={"key": "1"}).or_raise()
    overwrite("neural_neuralevent", first.pk, "payload", DEEP)

    again = [{**fields, "event_id": key, "payload": {"key": key}} for key in "12"]
    answers = list(neural.submit_many(again))

    assert [answer.verdict for answer in answers] == ["duplicate", "new"]
    assert NeuralEvent.objects.count() == 2
