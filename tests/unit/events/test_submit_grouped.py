"""Events that threads submit at the same time are recorded by one statement."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DataError, OperationalError, connection, transaction

import neural
from neural.events import recording
from neural.models import NeuralEvent

pytestmark = pytest.mark.django_db(transaction=True)
OTHERS = 5
PATIENCE = 30


def submit(number: int, **changes):
    fields = {"type": "probe.counted", "store": "S1", "source": "till"}
    return neural.submit(
        **{**fields, "event_id": str(number), "payload": {"key": str(number)}, **changes}
    )


class Database:
    """What is recorded together; the first call waits until the others have come."""

    def __init__(self, record) -> None:
        self.groups: list[list[str]] = []
        self.fails = lambda group: None
        self._record = record
        self._lock = threading.Lock()
        self.first_is_here = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, new_events, **options):
        if not new_events:  # the end of a caller's events
            return []
        with self._lock:
            self.groups.append([each.event_id for each in new_events])
            is_first = len(self.groups) == 1
        if is_first:
            self.first_is_here.set()
            assert self.go_on.wait(PATIENCE)
        self.fails([each.event_id for each in new_events])
        return self._record(new_events, **options)


@pytest.fixture
def database(monkeypatch):
    database = Database(recording.record)
    monkeypatch.setattr(recording, "record", database)
    return database


@pytest.fixture
def side_by_side(database):
    """Submit the first event, and the others while it is recorded; what each returned or raised."""

    def work(number, submitting):
        try:
            return submitting(number)
        except Exception as error:  # looked at by the test
            return error
        finally:
            connection.close()

    def side_by_side(submitting=submit, others=range(1, OTHERS + 1)):
        with ThreadPoolExecutor(OTHERS + 1) as pool:
            first = pool.submit(work, 0, submitting)
            assert database.first_is_here.wait(PATIENCE)
            rest = [pool.submit(work, number, submitting) for number in others]
            wait_until_they_wait(len(rest))
            database.go_on.set()
            return [future.result(PATIENCE) for future in (first, *rest)]

    return side_by_side


def wait_until_they_wait(number: int) -> None:
    from neural.events.recording import _group

    until = time.monotonic() + PATIENCE
    while len(_group._waiting) < number:
        assert time.monotonic() < until
        time.sleep(0.001)


def test_what_arrives_while_one_is_recorded_is_recorded_together(database, side_by_side):
    answers = side_by_side()

    assert [len(group) for group in database.groups] == [1, OTHERS]
    assert all(answer.is_new for answer in answers)
    assert [answer.event.event_id for answer in answers] == [str(n) for n in range(OTHERS + 1)]
    assert NeuralEvent.objects.count() == OTHERS + 1


def test_while_the_messages_of_a_group_are_published_its_others_are_answered(
    database, side_by_side, monkeypatch
):
    """And the next group is recorded."""
    answered, waited = threading.Semaphore(0), []

    def publish_slowly(runs):
        if len(runs) == OTHERS:
            waited.extend(answered.acquire(timeout=PATIENCE) for _ in range(OTHERS))

    monkeypatch.setattr(recording.ports, "announce", publish_slowly)

    def submitting(number):
        answer = submit(number)
        answered.release()
        return answer

    answers = side_by_side(submitting)

    assert all(answer.is_new for answer in answers)
    assert waited == [True] * OTHERS  # the first one and all of the group but who publishes


def test_each_gets_its_own_answer(side_by_side):
    def submitting(number):
        return submit(7 if number > 1 else number, payload={"key": "a" if number < 5 else "b"})

    answers = side_by_side(submitting)

    verdicts = [str(answer.verdict) for answer in answers]
    assert verdicts[:2] == ["new", "new"]
    assert sorted(verdicts[2:4]) in (
        ["duplicate", "new"],
        ["duplicate", "duplicate"],
        ["refused", "refused"],
    )
    assert NeuralEvent.objects.filter(event_id="7").count() == 1


def test_an_event_that_the_database_refuses_does_not_hold_the_others(database, side_by_side):
    def refuse_the_third(group):
        if "3" in group:
            raise DataError("not this one")

    database.fails = refuse_the_third

    answers = side_by_side()

    assert [type(answer) is DataError for answer in answers] == [
        number == 3 for number in range(OTHERS + 1)
    ]
    assert NeuralEvent.objects.count() == OTHERS


def test_while_the_database_is_away_everyone_is_told(database, side_by_side):
    def away(group):
        raise OperationalError("gone")

    database.fails = away

    assert [type(answer) for answer in side_by_side()] == [OperationalError] * (OTHERS + 1)

    database.fails = lambda group: None
    assert submit(9).is_new


def test_one_that_is_interrupted_leaves_nobody_waiting(database, side_by_side):
    class Interrupted(Exception):
        pass

    def interrupt(group):
        if len(group) > 1:
            raise Interrupted

    database.fails = interrupt

    answers = side_by_side()

    assert sum(isinstance(answer, Interrupted) for answer in answers) == 1  # the leader itself
    assert sum(getattr(answer, "is_new", False) for answer in answers) == OTHERS


def test_an_event_of_a_callers_transaction_is_recorded_in_it(database):
    database.go_on.set()

    with transaction.atomic():
        submit(1)
        transaction.set_rollback(True)

    assert not NeuralEvent.objects.exists()


class Interrupted(BaseException):
    pass


class InterruptedWait(threading.Event):
    """An interruption that comes while a thread waits: before it is woken, or as it is woken."""

    def __init__(self, *, is_woken: bool) -> None:
        super().__init__()
        self._is_woken = is_woken

    def wait(self, timeout=None):
        if self._is_woken:
            super().wait(timeout)
        raise Interrupted


@pytest.mark.parametrize("is_woken", [False, True])
def test_one_that_is_interrupted_while_it_waits_is_not_made_to_lead(monkeypatch, is_woken):
    group, interrupted, last = recording._Group(), [], []
    waits = InterruptedWait(is_woken=is_woken)

    def wait_and_be_interrupted():
        waiting = recording._Waiting([], woken=waits)
        monkeypatch.setattr(recording, "_Waiting", lambda new_events: waiting)
        try:
            group.record([])
        except Interrupted as error:
            interrupted.append(error)

    group._is_led = True
    thread = threading.Thread(target=wait_and_be_interrupted)
    thread.start()
    until = time.monotonic() + PATIENCE
    while is_woken and not group._waiting:
        assert time.monotonic() < until
        time.sleep(0.001)
    if not is_woken:
        thread.join(PATIENCE)
    group._let_another_lead()
    thread.join(PATIENCE)
    monkeypatch.undo()
    last.extend(group.record([]))

    assert len(interrupted) == 1
    assert last == []
    assert not group._is_led
