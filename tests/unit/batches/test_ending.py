"""When a batch is over is read from its members' rows; what follows it starts once."""

import threading
from unittest.mock import Mock

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from neural.batches import ending, ports, recording
from neural.batches.awaited import fail, report
from neural.batches.ports import Members
from neural.celeryapp.callbacks import COUNT_TASK
from neural.ledger.record import new_task_run
from neural.ledger.settle import mark_lost, settle
from neural.ledger.work import current
from neural.models import (
    AwaitedMember,
    AwaitedState,
    Batch,
    BatchOutcome,
    BatchState,
    RunState,
    TaskRun,
)
from neural.worker.relay import relay_once
from tests.probe import canvas
from tests.unit.batches.world import (
    awaits,
    followed,
    make_batch,
    member,
    now,
    outcome_of,
    relays_ask,
    settled,
)
from tests.unit.factories import make_run, make_store
from tests.unit.side_by_side import in_threads, on_postgresql, while_uncommitted

pytestmark = pytest.mark.django_db

SUCCEEDED, DEAD, CANCELLED, DISCARDED = (
    RunState.SUCCEEDED,
    RunState.DEAD,
    RunState.CANCELLED,
    RunState.DISCARDED,
)
PENDING, RUNNING = RunState.PENDING, RunState.RUNNING
committed = pytest.mark.django_db(transaction=True)


# Over or not


@pytest.mark.parametrize(
    ("members", "outcome"),
    [
        ((), BatchOutcome.SUCCEEDED),
        ((SUCCEEDED, SUCCEEDED), BatchOutcome.SUCCEEDED),
        ((SUCCEEDED, DEAD), BatchOutcome.FAILED),
        ((DISCARDED, SUCCEEDED), BatchOutcome.FAILED),
        ((CANCELLED, SUCCEEDED), BatchOutcome.CANCELLED),
        ((CANCELLED, DEAD), BatchOutcome.FAILED),
    ],
)
def test_a_closed_batch_ends_when_no_member_is_open_with_the_worst_outcome(members, outcome):
    batch = make_batch(*members)

    relays_ask()

    assert (now(batch).state, now(batch).outcome) == (BatchState.ENDED, outcome)
    assert now(batch).ended_at
    assert followed(batch) == ["complete"]


@pytest.mark.parametrize("still", [PENDING, RUNNING])
@pytest.mark.parametrize("others", [(), (SUCCEEDED,), (DEAD, CANCELLED)])
def test_it_waits_for_a_run_that_is_pending_or_running(still, others):
    batch = make_batch(still, *others)

    relays_ask()

    assert now(batch).state == BatchState.CLOSED
    assert followed(batch) == []


def test_it_waits_for_a_plain_member_that_has_not_reported():
    batch = make_batch(SUCCEEDED)
    awaits(batch)

    relays_ask()

    assert now(batch).state == BatchState.CLOSED


def test_a_batch_that_is_still_filled_does_not_end():
    batch = make_batch(SUCCEEDED, state=BatchState.OPEN)

    relays_ask()
    assert now(batch).state == BatchState.OPEN

    ending.close(batch.pk)
    relays_ask()
    assert now(batch).state == BatchState.ENDED


def test_callbacks_depend_on_what_became_of_the_members():
    every = ("complete", "success", "death")
    fine, dead, stopped = (
        make_batch(SUCCEEDED, on=every),
        make_batch(SUCCEEDED, DEAD, on=every),
        make_batch(CANCELLED, on=every),
    )

    relays_ask()

    assert sorted(followed(fine)) == ["complete", "success"]
    assert followed(dead) == ["death", "complete"]
    assert followed(stopped) == ["complete"]


def test_asked_again_and_again_it_ends_once():
    batch = make_batch(SUCCEEDED)

    for _ in range(3):
        ending.end_if_complete([batch.pk])
        relays_ask()

    assert followed(batch) == ["complete"]


@committed
def test_two_relays_at_once_end_it_once():
    batch = make_batch(SUCCEEDED, on=("complete", "success"))
    start = threading.Barrier(2)

    def relay():
        start.wait(30)
        ending.end_if_complete([batch.pk])

    in_threads(relay, relay)

    assert sorted(followed(batch)) == ["complete", "success"]


def test_a_batch_whose_callbacks_cannot_be_recorded_does_not_hold_up_others(monkeypatch):
    stuck, fine = make_batch(SUCCEEDED), make_batch(SUCCEEDED)
    start = ports.start_what_follows

    def refuse(batch, outcome):
        if batch.pk == stuck.pk:
            raise ValueError("as ordered")
        start(batch, outcome)

    monkeypatch.setattr(ports, "start_what_follows", refuse)
    relays_ask()
    assert (now(stuck).state, now(fine).state) == (BatchState.CLOSED, BatchState.ENDED)

    monkeypatch.setattr(ports, "start_what_follows", start)
    relays_ask()
    assert followed(stuck) == ["complete"]


# After the commit, and without it


@committed
def test_the_last_member_that_settles_ends_it_when_its_outcome_is_committed():
    batch = make_batch(RUNNING)

    with transaction.atomic():
        settled(member(batch))
        assert now(batch).state == BatchState.CLOSED

    assert followed(batch) == ["complete"]


@on_postgresql
@committed
def test_the_last_two_that_settle_at_once_do_not_miss_each_other():
    batch = make_batch(RUNNING, RUNNING)
    one, other = TaskRun.objects.filter(batch=batch)

    def second():
        settled(other)
        assert now(batch).state == BatchState.CLOSED  # the first is not committed

    while_uncommitted(lambda: settled(one), second)

    assert followed(batch) == ["complete"]


@committed
def test_a_process_that_dies_after_the_commit_leaves_it_to_a_relay(monkeypatch):
    batch = make_batch(RUNNING)
    monkeypatch.setattr(ending, "end_if_complete", lambda batches: None)
    monkeypatch.setattr(ending, "_position", 0)
    settled(member(batch))
    assert now(batch).state == BatchState.CLOSED

    relay_once()

    assert followed(batch) == ["complete"]


@committed
def test_an_outage_while_it_is_asked_undoes_no_outcome_and_a_relay_asks_again(monkeypatch, caplog):
    batch = make_batch(RUNNING)
    with monkeypatch.context() as patch:
        patch.setattr(ending, "_see_to", Mock(side_effect=OperationalError("locked")))
        settled(member(batch))

    assert member(batch).state == SUCCEEDED
    assert "Error calling _ask_noted" in caplog.text
    relays_ask()
    assert now(batch).outcome == BatchOutcome.SUCCEEDED


@committed
def test_an_outcome_that_is_rolled_back_ends_nothing():
    batch = make_batch(RUNNING)

    with transaction.atomic():
        settled(member(batch))
        transaction.set_rollback(True)

    relays_ask()
    assert now(batch).state == BatchState.CLOSED


@committed
def test_its_callback_is_a_run_so_that_no_lost_message_loses_it(fake_broker):
    batch = make_batch(RUNNING)
    fake_broker.away = True

    settled(member(batch))

    callback = TaskRun.objects.get(task=canvas.note.name)
    assert (callback.state, callback.args) == (PENDING, [batch.batch_id, "complete"])


def test_members_settled_by_workers_that_know_no_batches_are_found():
    batch = make_batch(RUNNING, RUNNING, on=("complete", "death"))
    TaskRun.objects.filter(batch=batch).update(
        state=DEAD, token=None, finished_at=now(batch).created_at
    )

    relays_ask()

    assert followed(batch) == ["death", "complete"]


# What people do with members, and what befalls them


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda run: run.cancel(), BatchOutcome.CANCELLED),
        (lambda run: run.revoke(), BatchOutcome.CANCELLED),
        (lambda run: settled(_claimed(run), CANCELLED), BatchOutcome.CANCELLED),  # expired
        (lambda run: mark_lost([_claimed(run)], max_losses=1, why="gone"), BatchOutcome.FAILED),
        (lambda run: run.supersede(), BatchOutcome.FAILED),
    ],
    ids=["cancelled", "revoked", "expired", "lost", "superseded"],
)
def test_a_member_that_ends_otherwise_ends_the_batch(change, outcome):
    batch = make_batch(PENDING)

    change(member(batch))
    relays_ask()

    assert now(batch).outcome == outcome


def _claimed(run):
    TaskRun.objects.filter(pk=run.pk).update(state=RUNNING, token=1, started_at=run.created_at)
    run.refresh_from_db()
    return run


def test_a_member_that_was_moved_to_another_queue_or_edited_is_still_waited_for():
    batch = make_batch(PENDING, DEAD)
    moved = TaskRun.objects.get(batch=batch, state=PENDING)
    TaskRun.objects.filter(pk=moved.pk).update(queue="low_priority")
    edited = TaskRun.objects.get(batch=batch, state=DEAD)
    edited.retry_with(args=[2, 2], kwargs={})
    relays_ask()
    assert now(batch).state == BatchState.CLOSED

    for each in (moved, edited):
        settled(_claimed(each))
    relays_ask()

    assert now(batch).outcome == BatchOutcome.SUCCEEDED


def test_a_dead_member_that_was_discarded_has_failed():
    batch = make_batch(DEAD)
    member(batch).discard()

    relays_ask()

    assert now(batch).outcome == BatchOutcome.FAILED


@pytest.mark.parametrize("retry", ["one", "many", "edited"])
def test_a_member_that_is_retried_after_the_end_ends_it_anew_if_that_was_asked_for(retry):
    once, anew = make_batch(DEAD), make_batch(DEAD, reopens=True, on=("complete", "success"))
    relays_ask()
    assert followed(anew) == ["complete"]

    for batch in (once, anew):
        run = member(batch)
        if retry == "many":
            TaskRun.objects.filter(pk=run.pk).retry()
        elif retry == "edited":
            run.retry_with(args=[1, 1], kwargs={})
        else:
            run.retry()
    assert (now(once).state, now(anew).state) == (BatchState.ENDED, BatchState.CLOSED)
    for batch in (once, anew):
        settled(_claimed(member(batch)))
    relays_ask()

    assert followed(once) == ["complete"]
    assert sorted(followed(anew)) == ["complete", "complete", "success"]
    assert (now(once).outcome, now(anew).outcome) == (BatchOutcome.FAILED, BatchOutcome.SUCCEEDED)


@on_postgresql
@committed
def test_a_retry_while_the_batch_ends_is_waited_for_or_ends_it_anew():
    batch = make_batch(DEAD, reopens=True)

    while_uncommitted(lambda: member(batch).retry(), lambda: ending.end_if_complete([batch.pk]))
    assert now(batch).state == BatchState.CLOSED
    assert followed(batch) == []

    TaskRun.objects.filter(batch=batch).update(state=DEAD, finished_at=now(batch).created_at)
    while_uncommitted(lambda: ending.end_if_complete([batch.pk]), lambda: member(batch).retry())
    assert now(batch).state == BatchState.CLOSED
    assert followed(batch) == ["complete"]


# The first death


@committed
def test_on_death_starts_with_the_first_death_and_no_other():
    batch = make_batch(RUNNING, RUNNING, RUNNING, on=("death", "complete"))
    one, two, three = TaskRun.objects.filter(batch=batch)

    settled(one, DEAD)
    assert followed(batch) == ["death"]

    settled(two, DEAD)
    settled(three)
    assert followed(batch) == ["death", "complete"]


@on_postgresql
@committed
def test_two_that_die_at_once_are_one_first_death():
    batch = make_batch(RUNNING, RUNNING, on=("death",))
    one, other = TaskRun.objects.filter(batch=batch)

    while_uncommitted(lambda: settled(one, DEAD), lambda: settled(other, DEAD))

    assert followed(batch) == ["death"]


def test_poison_is_a_death():
    batch = make_batch(RUNNING, PENDING, on=("death",))
    poison = TaskRun.objects.get(batch=batch, state=RUNNING)

    mark_lost([poison], max_losses=1, why="gone")

    assert followed(batch) == ["death"]


# Plain members


def test_a_plain_member_that_reports_twice_counts_once_as_it_was_first():
    batch = make_batch(on=("complete", "success"))
    awaits(batch, "plain")
    awaits(batch, "other")

    report(batch.batch_id, "plain", 0, AwaitedState.SUCCEEDED, 1)
    report(batch.batch_id, "plain", 0, AwaitedState.FAILED, error="late")
    relays_ask()
    assert now(batch).state == BatchState.CLOSED

    report(batch.batch_id, "other", 1, AwaitedState.SUCCEEDED, 2)
    relays_ask()
    report(batch.batch_id, "other", 1, AwaitedState.SUCCEEDED, 3)
    relays_ask()
    assert sorted(followed(batch)) == ["complete", "success"]


def test_a_plain_member_may_report_before_its_batch_is_recorded():
    batch = Batch(batch_id="early", kind="chord", state=BatchState.CLOSED)
    report("early", "plain", 0, AwaitedState.SUCCEEDED, 7)

    recording.record(batch, awaited=[AwaitedMember(task_id="plain", group_index=0)])
    relays_ask()

    assert now(batch).outcome == BatchOutcome.SUCCEEDED


@committed
def test_the_last_report_ends_the_batch_at_once():
    batch = make_batch(SUCCEEDED)
    awaits(batch)

    report(batch.batch_id, "plain", None, AwaitedState.REVOKED)

    assert now(batch).outcome == BatchOutcome.CANCELLED


def test_a_plain_member_that_failed_is_a_death():
    batch = make_batch(on=("death", "complete"))
    awaits(batch)

    report(batch.batch_id, "plain", None, AwaitedState.FAILED, error="ValueError")
    assert followed(batch) == ["death"]

    relays_ask()
    assert now(batch).outcome == BatchOutcome.FAILED
    assert followed(batch) == ["death", "complete"]


def test_a_member_whose_chain_died_before_it_has_failed():
    batch = make_batch()
    awaits(batch, "last of chain")

    fail(batch.batch_id, "last of chain", "its chain is dead")
    fail(batch.batch_id, "unknown", "nobody")
    relays_ask()

    assert now(batch).outcome == BatchOutcome.FAILED


def test_an_awaited_member_that_becomes_a_run_is_the_same_member():
    batch = make_batch()
    awaits(batch, "later")
    run = new_task_run(
        task=canvas.add.name, args=[1, 2], kwargs={}, queue="default", priority=5, task_id="later"
    )

    (joined,) = recording.join(batch.batch_id, [run])
    recording.enqueue_all([joined])
    relays_ask()
    assert now(batch).state == BatchState.CLOSED

    settled(_claimed(member(batch)))
    relays_ask()
    assert now(batch).outcome == BatchOutcome.SUCCEEDED


# Reports and joins that are not true


def test_a_report_about_a_member_that_a_closed_batch_never_announced_changes_nothing(caplog):
    batch = make_batch(SUCCEEDED)
    awaits(batch, "plain")

    report(batch.batch_id, "forged", 0, AwaitedState.FAILED, error="forged")
    report(batch.batch_id, "plain", 0, AwaitedState.SUCCEEDED, 1)
    relays_ask()
    report(batch.batch_id, "forged", 0, AwaitedState.FAILED, error="forged")

    assert now(batch).outcome == BatchOutcome.SUCCEEDED
    assert AwaitedMember.objects.get().task_id == "plain"
    assert caplog.text.count("event=report_refused") == 2


@pytest.mark.parametrize("state", [PENDING, RUNNING])
@pytest.mark.parametrize("how", [AwaitedState.SUCCEEDED, AwaitedState.FAILED])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_report_about_a_run_that_has_not_ended_changes_nothing(state, how, is_open):
    batch = make_batch(state, state=BatchState.OPEN if is_open else BatchState.CLOSED)
    awaits(batch, make_run(state).task_id)

    for task_id in (member(batch).task_id, AwaitedMember.objects.get().task_id):
        report(batch.batch_id, task_id, 0, how, 7)

    assert AwaitedMember.objects.get().state == AwaitedState.OPEN
    assert now(batch).state != BatchState.ENDED


@pytest.mark.parametrize("state", [DEAD, CANCELLED, DISCARDED])
def test_a_run_that_has_failed_is_not_reported_as_a_success_nor_the_other_way_round(state):
    batch = make_batch()
    failed, succeeded = make_run(state).task_id, make_run(SUCCEEDED).task_id
    awaits(batch, failed)
    awaits(batch, succeeded)

    report(batch.batch_id, failed, 0, AwaitedState.SUCCEEDED, 7)
    report(batch.batch_id, succeeded, 0, AwaitedState.FAILED, error="forged")
    assert not AwaitedMember.objects.exclude(ended_at=None).exists()

    report(batch.batch_id, failed, 0, AwaitedState.FAILED, error="true")
    report(batch.batch_id, succeeded, 0, AwaitedState.SUCCEEDED, 7)
    relays_ask()
    assert now(batch).outcome == BatchOutcome.FAILED


def of_store(code: str | None, task_id: str):
    how = {"args": [1, 2], "kwargs": {}, "queue": "default", "priority": 5, "task_id": task_id}
    return new_task_run(task=canvas.add.name, store=code, **how)


@pytest.mark.parametrize(
    ("of_batch", "of_run", "is_awaited", "joins"),
    [
        ("S1", "S2", False, False),
        ("S1", "S2", True, True),  # a chain through two stores
        ("S1", "S1", False, True),
        ("S1", None, False, True),
        (None, "S2", False, True),
    ],
)
def test_a_run_of_one_store_joins_no_batch_of_another(of_batch, of_run, is_awaited, joins):
    for code in ("S1", "S2"):
        make_store(code)
    batch = make_batch()
    Batch.objects.filter(pk=batch.pk).update(store=of_batch)
    if is_awaited:
        awaits(batch, "joining")

    recording.enqueue_all(recording.join(batch.batch_id, [of_store(of_run, "joining")]))

    run = TaskRun.objects.get(task_id="joining")
    assert (run.batch_id == batch.pk, run.store_id) == (joins, of_run)


def test_no_run_of_another_store_is_added_to_a_batch():
    for code in ("S1", "S2"):
        make_store(code)
    batch = make_batch(state=BatchState.OPEN)
    Batch.objects.filter(pk=batch.pk).update(store="S1")
    runs = [of_store("S1", "mine"), of_store("S2", "theirs")]

    with pytest.raises(ValueError, match="is of the store S1: it has no run of S2"):
        recording.add(batch.pk, Members(runs=runs, starters=[], awaited=[]))

    assert not TaskRun.objects.exists()


# Adding


def new(task_id=None):
    return new_task_run(
        task=canvas.add.name, args=[1, 2], kwargs={}, queue="default", priority=5, task_id=task_id
    )


@on_postgresql
@committed
def test_whoever_closes_waits_for_those_who_add():
    batch = make_batch(state=BatchState.OPEN)
    add = lambda: recording.add(batch.pk, Members([new()], [], []))  # noqa: E731

    while_uncommitted(add, lambda: ending.close(batch.pk))

    assert now(batch).state == BatchState.CLOSED
    assert followed(batch) == []


@on_postgresql
@committed
def test_whoever_adds_to_a_batch_that_is_being_closed_is_refused():
    batch = make_batch(PENDING, state=BatchState.OPEN)

    def add():
        with pytest.raises(recording.BatchClosed):
            recording.add(batch.pk, Members([new()], [], []))

    while_uncommitted(lambda: ending.close(batch.pk), add)

    assert TaskRun.objects.filter(batch=batch).count() == 1


@on_postgresql
@committed
def test_those_who_add_do_not_wait_for_each_other():
    batch = make_batch(state=BatchState.OPEN)
    add = lambda: recording.add(batch.pk, Members([new()], [], []))  # noqa: E731

    def second():
        add()
        assert TaskRun.objects.filter(batch=batch).count() == 1

    while_uncommitted(add, second)

    assert TaskRun.objects.filter(batch=batch).count() == 2


@on_postgresql
@committed
def test_a_member_added_by_the_last_member_is_waited_for():
    """The decision reads the members anew when nobody can add any more."""
    batch = make_batch(RUNNING)
    last = member(batch)

    def adds_and_ends():
        token = current.set(last)
        try:
            recording.add(batch.pk, Members([new()], [], []))
        finally:
            current.reset(token)
        settled(last)

    while_uncommitted(adds_and_ends, lambda: ending._end(batch.pk))

    assert now(batch).state == BatchState.CLOSED
    assert followed(batch) == []


def test_a_member_that_was_taken_away_adds_none_to_a_closed_batch():
    batch = make_batch(RUNNING)
    frozen = member(batch)
    TaskRun.objects.filter(pk=frozen.pk).update(token=F("token") + 1)  # claimed by another worker
    token = current.set(frozen)
    try:
        with pytest.raises(recording.BatchClosed):
            recording.add(batch.pk, Members([new()], [], []))
    finally:
        current.reset(token)

    assert TaskRun.objects.filter(batch=batch).count() == 1


def test_a_run_of_another_batch_or_of_none_is_no_member():
    batch = make_batch(state=BatchState.OPEN)
    make_run(task_id="taken", task=canvas.add.name, args=[1, 2])

    with pytest.raises(recording.TaskIdTaken), transaction.atomic():
        recording.add(batch.pk, Members([new("taken")], [], []))
    recording.add(batch.pk, Members([new("mine")], [], []))
    recording.add(batch.pk, Members([new("mine")], [], []))

    assert TaskRun.objects.filter(batch=batch).count() == 1


def test_a_chord_that_is_recorded_again_is_the_same():
    def chord():
        return Batch(batch_id="chord", kind="chord", state=BatchState.CLOSED)

    first = recording.record(chord(), runs=[new("member")])
    again = recording.record(chord(), runs=[new("member")])

    assert first.pk == again.pk
    assert (now(first).size, TaskRun.objects.filter(batch=first).count()) == (1, 1)


# What it costs


def test_to_ask_takes_one_look_by_primary_key_while_an_open_member_is_known(
    django_assert_num_queries,
):
    batch = make_batch(*[RUNNING] * 5)
    ending.end_if_complete([batch.pk])

    with django_assert_num_queries(1):
        ending.end_if_complete([batch.pk])


@committed
def test_members_cost_each_settling_one_statement_however_many_they_are():
    batch = make_batch(*[RUNNING] * 60)
    runs = list(TaskRun.objects.filter(batch=batch).order_by("pk"))
    alone = make_run(RUNNING)

    with CaptureQueriesContext(connection) as without:
        settle([outcome_of(alone)])
    ending.end_if_complete([batch.pk])
    with CaptureQueriesContext(connection) as with_batch:
        for run in runs[:50]:
            settle([outcome_of(run)])

    assert len(with_batch) == 50 * (len(without) + 1)


def test_a_run_of_no_batch_settles_as_before(django_assert_num_queries):
    run = make_run(RUNNING)

    with django_assert_num_queries(1 + (connection.vendor == "sqlite")):
        settle([outcome_of(run)])


def test_a_relay_asks_all_in_one_statement_page_by_page(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(ending, "PAGE", 2)
    batches = [make_batch(RUNNING) for _ in range(3)]
    late = make_batch(SUCCEEDED)
    monkeypatch.setattr(ending, "_position", 0)

    with django_assert_num_queries(1):
        ending.ask_all()
    ending.ask_all()

    assert followed(late) == ["complete"]
    assert {now(each).state for each in batches} == {BatchState.CLOSED}


# Ends without a worker, of what a batch or a result backend counts


def test_an_event_that_a_chord_awaits_and_somebody_cancels_ends_the_chord():
    batch = make_batch()
    awaits(batch, "event")
    run = make_run(task_id="event", options={"awaited_by": batch.batch_id})

    run.cancel()
    relays_ask()

    assert now(batch).outcome == BatchOutcome.CANCELLED


@committed
@pytest.mark.parametrize("many", [False, True])
def test_a_cancelled_member_has_the_batch_asked_at_once(many):
    batch = make_batch(PENDING)

    (TaskRun.objects.filter(batch=batch) if many else member(batch)).cancel()

    assert followed(batch) == ["complete"]


def test_a_run_that_a_result_backend_counts_tells_it_once_however_it_ends():
    def counted(state=RUNNING):
        body = {"task": canvas.note.name, "args": [], "kwargs": {}, "options": {}}
        return make_run(state, task=canvas.add.name, options={"chord": body, "group_id": "g"})

    def told(run):
        return TaskRun.objects.filter(task=COUNT_TASK, args__0__task_id=run.task_id).count()

    expired, cancelled, revoked, dead = counted(), counted(PENDING), counted(), counted()
    settled(expired, CANCELLED)
    cancelled.cancel()
    revoked.revoke()
    settled(dead, DEAD)
    TaskRun.objects.get(pk=dead.pk).discard()

    assert [told(run) for run in (expired, cancelled, revoked, dead)] == [1, 1, 1, 1]


def test_a_batch_that_is_cancelled_is_cancelled_slice_by_slice_by_relays(monkeypatch):
    monkeypatch.setattr(ending, "SLICE", 2)
    batch = make_batch(*[PENDING] * 5)
    ending.begin_to_cancel(batch.pk)

    waiting = TaskRun.objects.filter(batch=batch, state=PENDING)
    left = []
    for _turn in range(3):
        relays_ask()
        left.append(waiting.count())

    assert left == [3, 1, 0]
