"""The relay: what is owed a message gets one, what was lost starts again."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.models import RunState, TaskRun, WorkerProcess
from neural.runs import relay
from tests.unit.ledger import ago, make_run, make_worker

pytestmark = pytest.mark.django_db


def owed(**fields):
    return make_run(**{"handler": "probe.count", "publish_at": ago(seconds=5), **fields})


def held(worker, process_id=7, **fields):
    values = {"worker": worker, "process_id": process_id, "started_at": ago(seconds=30)}
    return make_run(RunState.RUNNING, **(values | fields))


def lost_worker(**fields):
    return make_worker(heartbeat_at=ago(minutes=5), **fields)


# Publishing


def test_what_is_owed_a_message_gets_one_and_is_not_owed_another_for_a_while(rung):
    run = owed()

    assert relay.publish_owed(rung) == 1
    assert relay.publish_owed(rung) == 0

    (ring,) = rung.sent
    assert ring.task_id == run.task_id
    run.refresh_from_db()
    assert 50 < (run.publish_at - timezone.now()).total_seconds() < 61


def test_a_message_that_was_lost_is_sent_again_when_its_lease_is_over(rung):
    owed()

    relay.publish_owed(rung)
    TaskRun.objects.update(publish_at=ago(seconds=1))
    relay.publish_owed(rung)

    assert len(rung.sent) == 2


@pytest.mark.parametrize("state", [state for state in RunState if state != RunState.PENDING])
def test_only_pending_runs_are_owed_a_message(rung, state):
    owed(state=state)

    assert relay.publish_owed(rung) == 0


def test_what_is_due_later_is_owed_nothing_now(rung):
    later = timezone.now() + dt.timedelta(hours=1)
    owed(publish_at=later, available_at=later)

    assert relay.publish_owed(rung) == 0


def test_a_long_queue_is_left_alone_and_the_others_are_not(rung, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    full, free = owed(queue="low_priority"), owed(queue="default")
    rung.waiting = {"low_priority": 11}

    assert relay.publish_owed(rung) == 1

    assert [ring.task_id for ring in rung.sent] == [free.task_id]
    assert TaskRun.objects.unpublished().get() == full


def test_a_queue_is_filled_to_its_limit_only(rung, settings):
    settings.NEURAL = {"queue_depth_limit": 10}
    for _ in range(20):
        owed(handler="two_step")
    rung.waiting = {"default": 4}

    relay.publish_owed(rung)

    assert len(rung.sent) == 6


def test_with_the_broker_away_nothing_is_touched(rung):
    run = owed()
    rung.away = True

    assert relay.publish_owed(rung) == 0

    assert TaskRun.objects.get().publish_at == run.publish_at


def test_what_could_not_be_sent_is_owed_again(rung, monkeypatch):
    owed()
    monkeypatch.setattr(rung, "depths", lambda queues: dict.fromkeys(queues, 0))
    rung.away = True

    assert relay.publish_owed(rung) == 0

    assert TaskRun.objects.unpublished().count() == 1


# Lost workers


def test_a_silent_worker_is_given_up_and_its_runs_start_again():
    silent, alive = lost_worker(), make_worker("alive@host")
    mine, other = held(silent), held(alive)

    assert relay.give_up_silent_workers() == 1
    assert relay.recover_abandoned() == 1

    mine.refresh_from_db()
    assert (mine.state, mine.losses, mine.failures) == (RunState.PENDING, 1, 0)
    assert TaskRun.objects.get(pk=other.pk).state == RunState.RUNNING
    assert WorkerProcess.objects.present().get() == alive


def test_giving_up_twice_counts_once():
    held(lost_worker())

    for _ in range(2):
        relay.give_up_silent_workers()
        relay.recover_abandoned()

    assert TaskRun.objects.get().losses == 1


def test_a_worker_that_is_heard_of_again_is_present_again():
    worker = lost_worker()
    relay.give_up_silent_workers()

    worker.beat()

    assert WorkerProcess.objects.present().get() == worker
    assert relay.give_up_silent_workers() == 0


def test_a_run_that_a_given_up_worker_takes_while_it_wakes_up_is_its_own():
    worker = make_worker(lost_at=ago(seconds=10))
    held(worker, started_at=ago(seconds=1))

    assert relay.recover_abandoned() == 0


def test_a_worker_that_dies_between_waking_up_and_its_heartbeat_leaves_no_run_behind():
    worker = make_worker(lost_at=ago(minutes=10), heartbeat_at=ago(minutes=11))
    held(worker, started_at=ago(minutes=9))

    assert relay.recover_abandoned() == 1


def test_a_stopped_workers_runs_start_again():
    worker = make_worker(stopped_at=timezone.now())
    held(worker)

    assert relay.recover_abandoned() == 1


# Dead pool processes


def test_what_a_dead_pool_process_held_starts_again_and_nothing_else():
    worker, other = make_worker(), make_worker("other@host")
    orphan, working, elsewhere = held(worker, 7), held(worker, 8), held(other, 7)

    assert relay.recover_from_dead_children(worker, lambda: {8, 9}) == 1

    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {orphan.pk: "pending", working.pk: "running", elsewhere.pk: "running"}


def test_processes_are_listed_after_the_runs_are_read():
    """A process that took a run later would else be taken for dead."""
    worker = make_worker()
    calls = []

    def living():
        calls.append(1)
        held(worker, 99)  # taken between the two looks
        return {7}

    held(worker, 7)

    assert relay.recover_from_dead_children(worker, living) == 0
    assert calls


def test_with_nothing_held_no_process_is_listed():
    def living():
        raise AssertionError

    assert relay.recover_from_dead_children(make_worker(), living) == 0


def test_a_run_that_outlived_its_hard_limit_in_a_living_process_is_nobodys():
    """Its pool would have killed the process: that process does not know of the run."""
    worker = make_worker()
    forgotten = held(worker, 8, started_at=ago(seconds=300 + 121))
    held(worker, 8, started_at=ago(seconds=300))

    assert relay.recover_from_dead_children(worker, lambda: {8}) == 1

    forgotten.refresh_from_db()
    assert forgotten.state == RunState.PENDING


def test_a_hard_limit_that_the_call_named_counts_and_not_the_usual_one():
    """A run that was given an hour is not started again while it is at work."""
    worker = make_worker()
    held(worker, 8, started_at=ago(seconds=1000), options={"time_limit": 3600})
    held(worker, 8, started_at=ago(seconds=200), options={"time_limit": 60})

    assert relay.recover_from_dead_children(worker, lambda: {8}) == 1

    assert TaskRun.objects.get(state=RunState.PENDING).options == {"time_limit": 60}


def test_hand_back_all_returns_what_a_stopping_worker_holds():
    worker, other = make_worker(), make_worker("other@host")
    mine, theirs = held(worker), held(other)

    assert relay.hand_back_all(worker) == 1

    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {mine.pk: "pending", theirs.pk: "running"}
    assert set(TaskRun.objects.values_list("losses", flat=True)) == {0}


def test_one_turn_does_all_of_it(rung):
    held(lost_worker())
    owed()

    report = relay.relay_once()

    assert (report.published, report.lost, report.workers_given_up) == (2, 1, 1)
