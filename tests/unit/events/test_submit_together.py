"""Submitters of the same events at once: each event is recorded once, and new to one alone."""

import gc
import random
import threading
import tracemalloc
from itertools import pairwise

import pytest
from django.db import OperationalError, connection, transaction

import neural
from neural.events import insertion
from neural.ledger import dialects
from neural.models import NeuralEvent, Store, TaskRun
from tests.unit.side_by_side import in_threads, on_postgresql, somebody_waits_for_a_lock, until

pytestmark = pytest.mark.django_db(transaction=True)


def event(number, **changes):
    fields = {"type": "probe.counted", "store": f"S{number % 7}", "source": "till"}
    return {**fields, "event_id": str(number), "payload": {"key": str(number)}, **changes}


def submit_all(numbers, start):
    """Verdicts by number."""
    start.wait(60)
    answers = neural.submit_many(event(number) for number in numbers)
    return {number: answer.verdict.value for number, answer in zip(numbers, answers, strict=True)}


def shuffled(numbers, seed):
    numbers = list(numbers)
    random.Random(seed).shuffle(numbers)
    return numbers


@pytest.mark.parametrize("seed", range(4))
def test_each_event_is_recorded_once_and_new_to_one_submitter(
    fake_broker, settings, monkeypatch, seed
):
    """Whatever their orders: and without a deadlock, which would show as an error here."""
    monkeypatch.setattr(insertion, "despite_contention", lambda once, may_repeat: once())
    settings.NEURAL = {"submit_chunk": 100}
    numbers = range(300)
    orders = numbers, numbers[::-1], shuffled(numbers, seed)
    start = threading.Barrier(len(orders))

    verdicts = in_threads(*(lambda order=order: submit_all(order, start) for order in orders))

    for number in numbers:
        told = sorted(each[number] for each in verdicts)
        assert told == ["duplicate", "duplicate", "new"], number
    assert NeuralEvent.objects.count() == len(numbers)
    assert TaskRun.objects.values("event").distinct().count() == TaskRun.objects.count() == 300
    assert Store.objects.count() == 7


def test_a_duplicate_within_a_chunk_and_across_chunks_is_one_event(fake_broker, settings):
    settings.NEURAL = {"submit_chunk": 3}
    numbers = [1, 2, 1, 2, 3, 3, 1]

    verdicts = [each.verdict.value for each in neural.submit_many(map(event, numbers))]

    duplicate = "duplicate"
    assert verdicts == ["new", "new", duplicate, duplicate, "new", duplicate, duplicate]
    assert TaskRun.objects.count() == NeuralEvent.objects.count() == 3


# Deadlocks: who has a transaction of its own does not notice


@on_postgresql
def test_a_chunk_that_was_undone_for_a_deadlock_is_recorded_again_at_once(fake_broker):
    # The chunk waits first and looks once, when the transaction waits, too: where that comes too
    # late, the transaction is undone, and there has been no such chunk.
    for turn in range(5):
        numbers = 2 * turn, 2 * turn + 1
        error, answers = deadlock(*numbers, looking={"chunk": "3s", "transaction": "1min"})
        if error is None:
            break

    assert error is None
    assert [answer.verdict.value for answer in answers] == ["duplicate", "duplicate"]
    ids = [str(number) for number in numbers]
    assert NeuralEvent.objects.filter(event_id__in=ids).count() == 2
    assert TaskRun.objects.filter(event__event_id__in=ids).count() == 2


@on_postgresql
def test_a_deadlock_that_undid_the_callers_transaction_is_the_callers_to_repeat(fake_broker):
    error, answers = deadlock(1, 2, looking={"chunk": "1min", "transaction": "100ms"})

    assert "deadlock detected" in str(error)
    assert [answer.verdict.value for answer in answers] == ["new", "new"]


def deadlock(first, second, *, looking):
    """A transaction holds the second event while a chunk with both waits for it, and then wants the
    first: the transaction's error, if it was undone, and the chunk's answers. ``looking`` says
    after how long a wait each looks for a deadlock; PostgreSQL undoes the one who finds it."""
    second_is_held = threading.Event()

    def hold_second_then_want_first():
        try:
            look_after(looking["transaction"])
            with transaction.atomic():
                neural.submit(**event(second))
                second_is_held.set()
                until(somebody_waits_for_a_lock)
                neural.submit(**event(first))
        except OperationalError as error:
            return error

    def submit_both():
        look_after(looking["chunk"])
        assert second_is_held.wait(60)
        return list(neural.submit_many([event(first), event(second)]))

    return in_threads(hold_second_then_want_first, submit_both)


def look_after(wait):
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('deadlock_timeout', %s, false)", [wait])


class Undone(Exception):
    """What a driver raises for a deadlock."""

    sqlstate = "40P01"


@pytest.fixture
def always_undone(monkeypatch):
    """How often the statement was tried; each time the database undoes it."""
    attempts = []

    def undo(new_events, runs):
        attempts.append(len(new_events))
        raise OperationalError("deadlock detected, or database is locked") from Undone()

    monkeypatch.setattr(insertion, "_insert", undo)
    monkeypatch.setattr(dialects.time, "sleep", lambda seconds: None)
    return attempts


@on_postgresql
def test_it_is_not_tried_for_ever(always_undone):
    with pytest.raises(OperationalError):
        neural.submit(**event(1))

    assert len(always_undone) == 5


def test_in_the_callers_transaction_it_is_tried_once(always_undone):
    with pytest.raises(OperationalError), transaction.atomic():
        neural.submit(**event(1))

    assert len(always_undone) == 1


@pytest.mark.skipif("connection.vendor == 'postgresql'", reason="SQLite's way to wait")
def test_a_locked_sqlite_was_waited_for_already(always_undone):
    with pytest.raises(OperationalError):
        neural.submit(**event(1))

    assert len(always_undone) == 1


# Memory


@pytest.mark.slow
def test_the_last_of_many_events_need_no_more_memory_than_the_first(settings, monkeypatch, caplog):
    caplog.set_level("WARNING", logger="neural.ledger")  # pytest keeps each line
    settings.NEURAL = {"submit_chunk": 100}
    monkeypatch.setattr("neural.broker.publisher.publish_quietly", lambda messages: None)
    answers = neural.submit_many(event(number) for number in range(6500))
    take(answers, 500)  # whatever is made on first use

    gc.collect()
    gc.freeze()  # what other tests left makes no difference to when garbage is collected
    tracemalloc.start()
    peaks = [peak_of(lambda: take(answers, 2000)) for _ in range(3)]
    tracemalloc.stop()
    gc.unfreeze()

    # What is held would show in both steps; a cache that grows once, or a thread that another
    # test left, shows in one.
    steps = [after - before for before, after in pairwise(peaks)]
    assert min(steps) < 0.3 * peaks[0], peaks


def take(answers, number):
    """A chunk's garbage is collected before the next: what is held is measured."""
    for place in range(number):
        next(answers)
        if place % 100 == 0:
            gc.collect()


def peak_of(work):
    tracemalloc.reset_peak()
    work()
    return tracemalloc.get_traced_memory()[1]
