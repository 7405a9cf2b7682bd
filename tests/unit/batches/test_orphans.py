"""Batches whose maker ends before it has closed them, and makers that are repeated."""

import datetime as dt
from contextlib import suppress

import pytest
from celery import chain, chord, group
from django.utils import timezone
from pydantic import BaseModel

import neural
from neural.batches import ending
from neural.celeryapp import callbacks, chords
from neural.celeryapp.celery_view import SEND_TASK
from neural.ledger.claim import Claimant, claim
from neural.ledger.clock import CarriedClock
from neural.ledger.outcome import skipped
from neural.ledger.settle import mark_lost, release, settle
from neural.ledger.work import current
from neural.models import AwaitedMember, Batch, BatchState, RunState, TaskRun
from tests.probe import canvas
from tests.unit.batches.world import followed, relays_ask
from tests.unit.celeryapp.canvas import ledger_task, record_plain_messages, run_all, work_off
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db
EVERY = {f"on_{name}": canvas.note.s(name) for name in ("complete", "success", "death")}


class Killed(BaseException):
    """In the place of a SIGKILL: no handler of the work sees it."""


def killed(run, work):
    """An attempt of this run does the work, and its process is killed there."""
    (claimed,) = claim(task_id=run.task_id, claimant=Claimant())
    token = current.set(claimed)
    try:
        with suppress(Killed):
            work()
    finally:
        current.reset(token)
    return claimed


def recovered(run, losses=4):
    mark_lost([run], max_losses=losses, why="gone")


def members(batch):
    return sorted(TaskRun.objects.filter(batch=batch.pk).values_list("task_id", flat=True))


class Point(BaseModel):
    x: int


def doubled(point: Point) -> int:
    return point.x * 2


@pytest.fixture
def maker():
    """A run that is the maker, recorded and due."""
    return make_run(task=canvas.add.name, args=[1, 2], kwargs={})


# A maker that is repeated


def two_members(then=lambda: None, **options):
    def make():
        batch = neural.batch("night", **EVERY, **options)
        batch.__enter__()  # a kill leaves no block
        batch.add(canvas.add.s(1, 2))
        then()
        batch.add(canvas.add.s(3, 4))
        batch.close()

    return make


def die():
    raise Killed


def test_a_maker_that_was_killed_goes_on_with_the_batch_that_it_has_begun(maker):
    recovered(killed(maker, two_members(then=die)))
    relays_ask()
    (begun,) = Batch.objects.all()
    assert (begun.state, begun.batch_id) == (BatchState.OPEN, f"{maker.task_id}.1")
    first = members(begun)

    recovered(killed(maker, two_members()))
    neural.run_due()

    (batch,) = Batch.objects.all()
    assert set(first) < set(members(batch))
    assert neural.Batch(batch).counts() == {"succeeded": 2}
    assert sorted(followed(batch)) == ["complete", "success"]


def test_members_that_are_added_in_another_order_or_were_added_before_are_the_same(maker):
    def make(numbers, *, ends):
        def work():
            with neural.batch() as batch:
                batch.add_all(canvas.add.s(number, 0) for number in numbers)
                if ends:
                    raise Killed

        return work

    recovered(killed(maker, make([1, 2, 3], ends=True)))
    killed(maker, make([3, 4, 2], ends=False))

    args = TaskRun.objects.filter(batch__isnull=False).values_list("args", flat=True)
    assert sorted(args) == [[1, 0], [2, 0], [3, 0], [4, 0]]


def test_members_of_the_same_work_are_as_many_as_were_added_once(maker):
    def make():
        with neural.batch() as batch:
            batch.add_all([canvas.add.s(1, 2)] * 3)
            neural.Batch.get(batch.batch_id).add(canvas.add.s(1, 2))

    recovered(killed(maker, make))
    killed(maker, make)

    assert len(members(Batch.objects.get())) == 4


@pytest.mark.parametrize(
    "member",
    [
        canvas.plain_add.s(1, 2),
        chain(canvas.add.s(1, 2), canvas.add.s(3)),
        chain(canvas.plain_add.s(1, 2), canvas.add.s(3)),
        group(canvas.plain_add.s(1, 2), canvas.plain_add.s(3, 4)),
    ],
    ids=["plain", "chain", "chain from a plain one", "group"],
)
def test_a_member_of_every_kind_is_added_once(maker, monkeypatch, fake_broker, member):
    record_plain_messages(monkeypatch)

    def make():
        with neural.batch() as batch:
            batch.add(member.clone())

    recovered(killed(maker, make))
    once = AwaitedMember.objects.count(), TaskRun.objects.count()
    killed(maker, make)

    assert (AwaitedMember.objects.count(), TaskRun.objects.count()) == once


def test_a_member_whose_argument_is_a_pydantic_model_is_added_once(maker):
    def make():
        with neural.batch() as batch:
            batch.add(task.s(Point(x=21)))

    with ledger_task(doubled, pydantic=True) as task:
        recovered(killed(maker, make))
        killed(maker, make)

    assert list(TaskRun.objects.exclude(pk=maker.pk).values_list("args", flat=True)) == [
        [{"x": 21}]
    ]


def test_two_batches_of_a_run_are_two_also_when_it_is_repeated(maker):
    def make():
        for name in ("one", "two"):
            with neural.batch(name) as batch:
                batch.add(canvas.add.s(1, 2))

    recovered(killed(maker, make))
    killed(maker, make)

    ids = Batch.objects.order_by("pk").values_list("name", "batch_id")
    assert list(ids) == [("one", f"{maker.task_id}.1"), ("two", f"{maker.task_id}.2")]
    assert [len(members(batch)) for batch in Batch.objects.all()] == [1, 1]


def test_two_runs_that_add_the_same_work_to_one_batch_add_a_member_each(maker):
    other = make_run(task=canvas.add.name, args=[1, 2], kwargs={})
    batch = neural.batch()

    for run in (maker, other):
        killed(run, lambda: neural.Batch.get(batch.batch_id).add(canvas.add.s(1, 2)))

    assert len(members(batch.row)) == 2


def test_outside_of_runs_each_call_adds_members_of_its_own():
    batch = neural.batch()

    for _time in range(2):
        neural.Batch.get(batch.batch_id).add(canvas.add.s(1, 2))

    assert len(members(batch.row)) == 2


def test_a_block_that_raises_in_a_run_is_gone_on_with_by_the_next_attempt():
    attempts = []

    def make():
        attempts.append(None)
        with neural.batch(**EVERY) as batch:
            batch.add(canvas.add.s(1, 2))
            if len(attempts) == 1:
                raise ZeroDivisionError
            batch.add(canvas.add.s(3, 4))

    with ledger_task(make) as task:
        task.delay()
        neural.run_due()
        assert Batch.objects.get().state == BatchState.OPEN
        run_all()

    (batch,) = Batch.objects.all()
    assert neural.Batch(batch).counts() == {"succeeded": 2}
    assert sorted(followed(batch)) == ["complete", "success"]


def test_each_slice_of_a_run_that_snoozes_makes_a_batch_of_its_own():
    def make():
        day = neural.checkpoint() or 1
        with neural.batch(f"day {day}") as batch:
            batch.add(canvas.add.s(day, 0))
        if day < 3:
            raise neural.Snooze(1, checkpoint=day + 1)

    with ledger_task(make) as task:
        task.delay()
        run_all()

    assert list(Batch.objects.order_by("pk").values_list("name", "state")) == [
        (f"day {day}", "ended") for day in (1, 2, 3)
    ]


def test_a_run_that_looks_again_and_again_makes_a_batch_each_time_and_goes_on_with_the_last():
    attempts = []

    def look():
        attempts.append(None)
        number = len(attempts)
        with neural.batch(f"look {number}") as batch:
            batch.add(canvas.add.s(min(number, 3), 0))
            if number == 3:
                raise ZeroDivisionError
        if number < 6:
            raise neural.Snooze(1)

    with ledger_task(look) as task:
        task.delay()
        run_all()

    assert list(Batch.objects.order_by("pk").values_list("name", "state")) == [
        (f"look {number}", "ended") for number in (1, 2, 3, 5, 6)
    ]  # the fourth was the third, repeated
    assert len(members(Batch.objects.get(name="look 3"))) == 1


def test_a_maker_that_was_handed_back_goes_on(maker):
    release([killed(maker, two_members(then=die))], why="the worker stops")

    killed(maker, two_members())

    assert len(members(Batch.objects.get())) == 2


def test_a_maker_that_was_claimed_in_between_and_not_started_goes_on(maker):
    recovered(killed(maker, two_members(then=die)))
    claimed = claim(task_id=maker.task_id, claimant=Claimant())
    settle([skipped(each, CarriedClock()) for each in claimed])

    killed(maker, two_members())

    assert len(members(Batch.objects.get())) == 2


def test_two_runs_with_long_ids_of_one_beginning_make_a_batch_each():
    for last in "ab":
        run = make_run(task=canvas.add.name, args=[1, 2], task_id="x" * 254 + last)
        killed(run, two_members())

    assert Batch.objects.count() == 2


def test_a_block_that_snoozes_is_cancelled_and_the_next_attempt_makes_another():
    attempts = []

    def make():
        attempts.append(None)
        with neural.batch() as batch:
            batch.add(canvas.add.s(1, 2).set(countdown=3600))
            if len(attempts) == 1:
                raise neural.Snooze(1)

    with ledger_task(make) as task:
        task.delay()
        run_all()

    outcomes = Batch.objects.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["cancelled", "succeeded"]


def test_ids_that_are_too_long_are_shortened(maker):
    TaskRun.objects.filter(pk=maker.pk).update(task_id="x" * 255)
    maker.refresh_from_db()

    killed(maker, two_members())

    (batch,) = Batch.objects.all()
    assert batch.state == BatchState.CLOSED
    assert len(members(batch)) == 2


def test_a_batchs_and_members_ids_tell_nothing_of_the_arguments(maker, settings):
    killed(maker, two_members())
    known = members(Batch.objects.get())
    Batch.objects.all().delete()
    TaskRun.objects.exclude(pk=maker.pk).delete()
    settings.SECRET_KEY = "another"
    recovered(TaskRun.objects.get(pk=maker.pk))

    killed(maker, two_members())

    assert not set(known) & set(members(Batch.objects.get()))


# A maker that is gone


@pytest.mark.parametrize(
    "end",
    [
        lambda run: recovered(run, losses=1),
        lambda run: run.revoke(),
        lambda run: (recovered(run), TaskRun.objects.get(pk=run.pk).cancel()),
        lambda run: (recovered(run), TaskRun.objects.get(pk=run.pk).delete()),
    ],
    ids=["dead", "revoked", "cancelled", "pruned"],
)
def test_a_batch_whose_maker_is_gone_is_cancelled_and_never_succeeds(maker, end):
    run = killed(maker, two_members(then=die))

    end(run)
    for _turn in range(3):
        relays_ask()

    (batch,) = Batch.objects.all()
    assert (batch.state, batch.outcome) == (BatchState.ENDED, "cancelled")
    assert neural.Batch(batch).counts() == {"cancelled": 1}
    assert followed(batch) == ["complete"]


def test_a_batch_that_was_made_so_is_closed_when_its_maker_is_gone(maker):
    run = killed(maker, two_members(then=die, if_orphaned="close"))
    recovered(run, losses=1)

    relays_ask()
    neural.run_due()

    (batch,) = Batch.objects.all()
    assert neural.Batch(batch).counts() == {"succeeded": 1}
    assert sorted(followed(batch)) == ["complete", "success"]


def test_if_orphaned_is_checked():
    with pytest.raises(ValueError, match="not 'keep'"):
        neural.batch(if_orphaned="keep")

    assert not Batch.objects.exists()


def test_a_maker_that_catches_the_error_of_its_block_leaves_nothing_open():
    def make():
        with suppress(ZeroDivisionError), neural.batch(**EVERY) as batch:
            batch.add(canvas.add.s(1, 2).set(countdown=3600))
            raise ZeroDivisionError

    with ledger_task(make) as task:
        task.delay()
        neural.run_due()
    for _turn in range(2):
        relays_ask()

    (batch,) = Batch.objects.all()
    assert (batch.state, batch.outcome) == (BatchState.ENDED, "cancelled")


def test_a_slow_maker_is_told_that_its_batch_was_ended(maker):
    def slow():
        with neural.batch() as batch:
            batch.add(canvas.add.s(1, 2))
            TaskRun.objects.get(pk=maker.pk).revoke()
            relays_ask()
            with pytest.raises(neural.BatchClosed):
                batch.add(canvas.add.s(3, 4))

    killed(maker, slow)
    relays_ask()

    assert neural.Batch(Batch.objects.get()).counts() == {"cancelled": 1}


def test_a_dead_maker_that_a_person_retries_begins_anew(maker):
    recovered(killed(maker, two_members(then=die)), losses=1)
    for _turn in range(2):
        relays_ask()

    TaskRun.objects.get(pk=maker.pk).retry()
    killed(maker, two_members())
    neural.run_due()

    given_up, batch = Batch.objects.order_by("pk")
    assert given_up.outcome == "cancelled"
    assert neural.Batch(batch).counts() == {"succeeded": 2}
    assert sorted(followed(batch)) == ["complete", "success"]


def test_a_batch_whose_maker_waits_for_its_next_attempt_or_works_stays_open(maker):
    run = killed(maker, two_members(then=die))
    relays_ask()
    assert Batch.objects.get().state == BatchState.OPEN

    recovered(run)
    relays_ask()
    assert Batch.objects.get().state == BatchState.OPEN


def test_a_batch_that_is_open_on_purpose_is_left_open_by_relays(maker):
    neural.batch("outside")
    recovered(killed(maker, lambda: neural.batch("inside")), losses=1)

    relays_ask()

    assert set(Batch.objects.values_list("state", flat=True)) == {BatchState.OPEN}


def test_who_enters_the_block_of_a_batch_of_another_is_its_maker(maker):
    other = make_run(task=canvas.add.name, args=[1, 2], kwargs={})
    for run in (maker, other):
        killed(run, two_members(then=die, batch_id="night"))
    recovered(TaskRun.objects.get(pk=maker.pk), losses=1)
    relays_ask()
    assert Batch.objects.get().state == BatchState.OPEN

    recovered(TaskRun.objects.get(pk=other.pk), losses=1)
    relays_ask()
    assert Batch.objects.get().outcome == "cancelled"


# A chord that is called


def half_called():
    """A chord whose caller dies when its batch is recorded and its members are not."""
    never_recorded(chord([canvas.add.s(1, 2), canvas.plain_add.s(3, 4)]), canvas.total.s())


def never_recorded(call, *args):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr(chords.Plan, "record", lambda plan, runs: die())
    monkeypatch.setattr(chords.Plan, "give_up", lambda plan: None)  # nothing runs after a kill
    with monkeypatch.context(), suppress(Killed):
        call(*args)
    monkeypatch.undo()


def ended_as(body_state):
    batch = Batch.objects.get()
    body = TaskRun.objects.get(task=canvas.total.name)
    return (batch.state, batch.outcome, body.state) == ("ended", "cancelled", body_state)


def test_a_chord_that_a_run_called_and_never_recorded_whole_is_cancelled(
    maker, fake_broker, monkeypatch
):
    record_plain_messages(monkeypatch)
    run = killed(maker, half_called)
    relays_ask()
    assert Batch.objects.get().state == BatchState.OPEN

    recovered(run, losses=1)
    for _turn in range(2):
        relays_ask()
    neural.run_due()

    assert ended_as(RunState.DEAD)


def test_a_chord_that_was_never_recorded_whole_outside_of_runs_is_cancelled_after_an_hour(
    fake_broker, monkeypatch
):
    record_plain_messages(monkeypatch)
    half_called()
    relays_ask()
    assert Batch.objects.get().state == BatchState.OPEN

    long_ago = timezone.now() - ending.CALLING - dt.timedelta(minutes=1)
    Batch.objects.update(created_at=long_ago)
    for _turn in range(2):
        relays_ask()
    neural.run_due()

    assert ended_as(RunState.DEAD)


@pytest.mark.parametrize(
    "others",
    [
        [canvas.plain_add.s(3, 4)],
        [chain(canvas.add.s(1, 1), canvas.add.s(5))],
        [canvas.plain_add.s(3, 4), chain(canvas.add.s(1, 1), canvas.add.s(5))],
    ],
    ids=["plain", "chain", "both"],
)
def test_a_chord_that_was_given_up_is_called_whole_when_its_caller_is_retried(
    fake_broker, monkeypatch, others
):
    sent = record_plain_messages(monkeypatch)
    following = chord([canvas.add.s(1, 2), *(each.clone() for each in others)], canvas.total.s())
    callbacks.start(callbacks.Origin("it", "it"), following, (), {})
    sender = TaskRun.objects.get(task=SEND_TASK)
    run = killed(sender, lambda: never_recorded(lambda: callbacks.send(*sender.args)))
    recovered(run, losses=1)
    for _turn in range(2):
        relays_ask()
    run_all()
    assert ended_as(RunState.DEAD)

    sent.clear()
    TaskRun.objects.get(pk=sender.pk).retry()
    run_all()
    work_off(sent)
    run_all()

    (batch,) = Batch.objects.all()
    assert batch.outcome == "succeeded"
    body = TaskRun.objects.get(task=canvas.total.name)
    assert (body.state, body.result) == (RunState.SUCCEEDED, 3 + 7 * len(others))


def test_a_chord_that_a_person_cancelled_is_left_so_when_its_sender_is_repeated(
    fake_broker, monkeypatch
):
    record_plain_messages(monkeypatch)
    following = chord([canvas.add.s(1, 2), canvas.plain_add.s(3, 4)], canvas.total.s())
    callbacks.start(callbacks.Origin("it", "it"), following, (), {})
    sender = TaskRun.objects.get(task=SEND_TASK)
    run = killed(sender, lambda: callbacks.send(*sender.args))
    neural.Batch(Batch.objects.get()).cancel()

    recovered(run)
    run_all()

    assert ended_as(RunState.DEAD)
    assert TaskRun.objects.get(pk=sender.pk).state == RunState.SUCCEEDED
