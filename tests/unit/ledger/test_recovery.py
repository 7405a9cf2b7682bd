"""Lost workers and lost runs: judged by what a relay has seen itself, never by two clocks."""

import datetime as dt

import pytest
from django.utils import timezone

from neural.ledger import ports
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun, WorkerProcess
from neural.worker import delivery
from neural.worker.recovery import Recovery
from tests.unit.factories import ago, held, make_worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def recovery(time_that):
    return Recovery()


@pytest.fixture
def shared_memory(monkeypatch):
    """As in a worker's main process."""
    monkeypatch.setattr(delivery, "_done", None)
    monkeypatch.setattr(ports, "note_waiting", ports.note_waiting)
    delivery.prepare()


def watch(recovery, time_that, *, seconds, living=()):
    """Look every five seconds, for so long, while these workers live; whom it gave up."""
    given_up = recovery.give_up_silent_workers()
    for _ in range(int(seconds / 5)):
        time_that.passes(5)
        for worker in living:
            worker.beat()
        given_up += recovery.give_up_silent_workers()
    return given_up


def clock_is_set(worker, **span):
    """The database's clock was set: what it wrote before is so much older or newer now."""
    worker.refresh_from_db()
    moved = worker.heartbeat_at + dt.timedelta(**span)
    WorkerProcess.objects.filter(pk=worker.pk).update(heartbeat_at=moved)


# Lost workers


def test_a_worker_whose_heartbeat_stands_still_is_given_up_and_its_runs_start_again(
    recovery, time_that
):
    silent, alive = make_worker(), make_worker("alive@host")
    mine, other = held(silent), held(alive)

    assert watch(recovery, time_that, seconds=15, living=[alive]) == 0
    assert watch(recovery, time_that, seconds=5, living=[alive]) == 1
    assert recovery.recover_abandoned() == 1

    mine.refresh_from_db()
    assert (mine.state, mine.losses, mine.failures) == (RunState.PENDING, 1, 0)
    assert TaskRun.objects.get(pk=other.pk).state == RunState.RUNNING
    assert WorkerProcess.objects.present().get() == alive


@pytest.mark.parametrize("jump", [{"hours": -1}, {"seconds": -60}, {"seconds": 60}, {"hours": 1}])
def test_a_database_whose_clock_is_set_condemns_no_living_worker(recovery, time_that, jump):
    worker = make_worker()
    held(worker)

    for _ in range(5):
        watch(recovery, time_that, seconds=10, living=[worker])
        clock_is_set(worker, **jump)
        assert recovery.give_up_silent_workers() == 0

    assert recovery.recover_abandoned() == 0


@pytest.mark.parametrize("ahead", [-600, 600])
def test_a_worker_that_is_dead_is_given_up_whatever_time_its_heartbeat_names(
    recovery, time_that, ahead
):
    held(make_worker(heartbeat_at=timezone.now() + dt.timedelta(seconds=ahead)))

    assert watch(recovery, time_that, seconds=20) == 1


def test_giving_up_twice_counts_once(time_that):
    held(make_worker())
    one, other = Recovery(), Recovery()

    for _ in range(6):
        for each in (one, other):
            each.give_up_silent_workers()
            each.recover_abandoned()
        time_that.passes(5)

    assert TaskRun.objects.get().losses == 1


def test_a_worker_that_beats_between_the_look_and_the_verdict_is_not_given_up():
    worker = make_worker(heartbeat_at=ago(minutes=5))
    as_seen = WorkerProcess.objects.get()

    worker.beat()

    assert not as_seen.give_up()


def test_a_worker_that_is_heard_of_again_is_present_again(recovery, time_that):
    worker = make_worker()
    assert watch(recovery, time_that, seconds=20) == 1

    worker.beat()

    assert WorkerProcess.objects.present().get() == worker
    assert recovery.give_up_silent_workers() == 0


def test_a_relay_that_could_not_look_does_not_count_the_time(recovery, time_that):
    """When the database was away, every worker has been silent."""
    worker = make_worker()
    recovery.give_up_silent_workers()

    time_that.passes(3600)

    assert recovery.give_up_silent_workers() == 0
    assert watch(recovery, time_that, seconds=60, living=[worker]) == 0


def test_one_turn_alone_looks_for_as_long_as_it_takes_to_be_sure(recovery, time_that):
    silent = make_worker(heartbeat_at=ago(minutes=5))
    began = time_that.now

    assert recovery.give_up_silent_workers_now() == 1

    assert time_that.now - began == 20
    assert WorkerProcess.objects.get(pk=silent.pk).lost_at


def test_one_turn_alone_does_not_wait_where_every_worker_is_heard(recovery, time_that):
    make_worker()
    began = time_that.now

    assert recovery.give_up_silent_workers_now() == 0

    assert time_that.now == began


# What they held


def test_a_run_that_a_given_up_worker_takes_while_it_wakes_up_is_its_own(recovery):
    worker = make_worker(lost_at=ago(minutes=10))
    held(worker, started_at=ago(minutes=1))

    assert recovery.recover_abandoned() == 0


@pytest.mark.parametrize("gone", ["lost_at", "stopped_at"])
def test_a_worker_that_dies_between_waking_up_and_its_heartbeat_leaves_no_run_behind(
    recovery, time_that, gone
):
    """Nor does one that seems to have taken a run after it was gone, because the clock was set."""
    worker = make_worker(**{gone: ago(minutes=10)}, heartbeat_at=ago(minutes=11))
    held(worker, started_at=timezone.now() + dt.timedelta(hours=1))
    recovery.recover_abandoned()

    time_that.passes(20)

    assert recovery.recover_abandoned() == 1


def test_a_stopped_workers_runs_start_again(recovery):
    worker = make_worker(stopped_at=timezone.now())
    held(worker)

    assert recovery.recover_abandoned() == 1


def test_what_a_process_without_a_row_took_starts_again_when_it_must_be_over(recovery, time_that):
    held(None, started_at=ago(days=1))

    for seconds, recovered in ((0, 0), (419, 0), (1, 1)):
        time_that.passes(seconds)
        assert recovery.recover_abandoned() == recovered


# Dead pool processes


def test_what_a_dead_pool_process_held_starts_again_and_nothing_else(recovery):
    worker, other = make_worker(), make_worker("other@host")
    orphan, working, elsewhere = held(worker, 7), held(worker, 8), held(other, 7)

    assert recovery.recover_from_dead_children(worker, lambda: {8, 9}) == 1

    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {orphan.pk: "pending", working.pk: "running", elsewhere.pk: "running"}


def test_of_what_a_dead_process_held_only_what_had_begun_counts_a_loss(recovery, shared_memory):
    """The rest of its batch is innocent: it would go alone afterwards for nothing."""
    worker = make_worker()
    begun, waiting, unknown = (held(worker, 7, token=token) for token in (1, 1, 2))
    delivery.note_waiting([begun, waiting], waiting=True)
    delivery.note_waiting([begun], waiting=False)

    assert recovery.recover_from_dead_children(worker, lambda: {8}) == 3

    losses = dict(TaskRun.objects.filter(state="pending").values_list("pk", "losses"))
    assert losses == {begun.pk: 1, waiting.pk: 0, unknown.pk: 1}
    outcomes = dict(TaskAttempt.objects.values_list("run", "outcome"))
    lost, released = AttemptOutcome.LOST, AttemptOutcome.RELEASED
    assert outcomes == {begun.pk: lost, waiting.pk: released, unknown.pk: lost}


def test_a_run_that_is_claimed_again_is_not_taken_for_waiting(recovery, shared_memory):
    worker = make_worker()
    run = held(worker, 7, token=1)
    delivery.note_waiting([run], waiting=True)
    TaskRun.objects.update(token=2)

    recovery.recover_from_dead_children(worker, lambda: {8})

    assert TaskRun.objects.get().losses == 1


def test_runs_that_wait_in_turn_behind_a_slow_one_are_released(recovery, shared_memory, time_that):
    worker = make_worker()
    slow, *others = (held(worker, 7, task="probe.count", token=1) for _ in range(3))
    delivery.note_waiting(others, waiting=True)
    assert recovery.recover_from_dead_children(worker, lambda: {7}) == 0

    time_that.passes(200)
    delivery.note_waiting([others[0]], waiting=False)  # its turn has come

    assert recovery.recover_from_dead_children(worker, lambda: {7}) == 1
    states = dict(TaskRun.objects.values_list("pk", "state"))
    assert states == {slow.pk: "running", others[0].pk: "running", others[1].pk: "pending"}
    assert TaskRun.objects.get(pk=others[1].pk).losses == 0
    assert delivery.note_waiting([others[1]], waiting=False)  # its process hears of it


def test_no_run_of_a_batch_is_released_while_it_waits(recovery, shared_memory, time_that):
    """The batch is one transaction, which could then not be settled."""
    worker = make_worker()
    run = held(worker, 7, handler="probe.count", token=1)
    delivery.note_waiting([run], waiting=True)
    recovery.recover_from_dead_children(worker, lambda: {7})

    time_that.passes(200)

    assert recovery.recover_from_dead_children(worker, lambda: {7}) == 0


def test_if_the_whole_worker_died_all_of_its_batch_is_suspect_once(recovery, shared_memory):
    worker = make_worker(lost_at=timezone.now())
    held(worker, 7)
    delivery.note_waiting(TaskRun.objects.all(), waiting=True)

    assert recovery.recover_abandoned() == 1

    assert TaskRun.objects.get().losses == 1


def test_processes_are_listed_after_the_runs_are_read(recovery):
    """A process that took a run later would else be taken for dead."""
    worker = make_worker()
    calls = []

    def living():
        calls.append(1)
        held(worker, 99)  # taken between the two looks
        return {7}

    held(worker, 7)

    assert recovery.recover_from_dead_children(worker, living) == 0
    assert calls


def test_with_nothing_held_no_process_is_listed(recovery):
    def living():
        raise AssertionError

    assert recovery.recover_from_dead_children(make_worker(), living) == 0


def outlived(recovery, time_that, worker, seconds):
    """How many runs of process 8 are taken from it after so many seconds of looking."""
    recovery.recover_from_dead_children(worker, lambda: {8})
    time_that.passes(seconds)
    return recovery.recover_from_dead_children(worker, lambda: {8})


@pytest.mark.parametrize("minutes", [-10, 10, 60])
def test_a_worker_whose_clock_differs_from_the_databases_condemns_no_run(
    recovery, time_that, minutes
):
    worker = make_worker()
    held(worker, 8, started_at=ago(minutes=minutes))

    assert outlived(recovery, time_that, worker, 300) == 0


def test_a_run_that_outlived_its_hard_limit_in_a_living_process_is_nobodys(recovery, time_that):
    """Its pool would have killed the process: that process does not know of the run."""
    worker = make_worker()
    forgotten = held(worker, 8)

    assert outlived(recovery, time_that, worker, 300 + 121) == 1

    forgotten.refresh_from_db()
    assert forgotten.state == RunState.PENDING


def test_a_run_that_was_taken_again_meanwhile_is_counted_anew(recovery, time_that):
    worker = make_worker()
    run = held(worker, 8)
    outlived(recovery, time_that, worker, 300)
    TaskRun.objects.filter(pk=run.pk).update(token=2)

    assert outlived(recovery, time_that, worker, 300) == 0


def test_a_hard_limit_that_the_call_named_counts_and_not_the_usual_one(recovery, time_that):
    """A run that was given an hour is not started again while it is at work."""
    worker = make_worker()
    held(worker, 8, options={"time_limit": 3600})
    held(worker, 8, options={"time_limit": 60})

    assert outlived(recovery, time_that, worker, 200) == 1

    assert TaskRun.objects.get(state=RunState.PENDING).options == {"time_limit": 60}
