"""What became of an attempt: only its claim's token may say so."""

from functools import partial

import pytest
from django.db import transaction
from django.utils import timezone

from neural.ledger.claim import Claimant, claim
from neural.ledger.outcome import Outcome
from neural.ledger.settle import Fenced, mark_lost, release, settle
from neural.models import AttemptOutcome, RunState, TaskAttempt, TaskRun
from tests.probe.models import Counter
from tests.unit.factories import ago, make_run, make_worker

pytestmark = pytest.mark.django_db


def claimed(**fields):
    worker = make_worker()
    waiting = make_run(**fields)
    return claim(task_id=waiting.task_id, claimant=Claimant(worker.pk, 77))[0]


def outcome(run, state=RunState.SUCCEEDED, **fields):
    moment = timezone.now()
    return Outcome(run=run, state=state, started_at=moment, finished_at=moment, **fields)


def test_success_keeps_result_and_times_and_frees_the_token():
    run = claimed()

    settle([outcome(run, result='{"a": [1, "ä", null]}')])

    run.refresh_from_db()
    assert run.state == RunState.SUCCEEDED
    assert run.result == {"a": [1, "ä", None]}
    assert run.token is None
    assert run.finished_at
    assert run.worker
    assert not TaskAttempt.objects.exists()  # a clean first attempt is told by the run itself


def test_a_failed_attempt_is_kept_with_its_traceback_and_comes_again_later():
    run = claimed()
    due = timezone.now() + timezone.timedelta(minutes=1)

    settle(
        [
            outcome(
                run,
                RunState.PENDING,
                failures=1,
                due_at=due,
                attempt_outcome=AttemptOutcome.FAILED,
                error="ValueError: " + "x" * 900,
                traceback="Traceback …",
            )
        ]
    )

    run.refresh_from_db()
    assert (run.state, run.failures, run.losses) == (RunState.PENDING, 1, 0)
    assert run.available_at == run.publish_at == due
    assert run.finished_at is None
    assert len(run.error) == 500
    kept = run.attempts.get()
    assert (kept.outcome, kept.traceback, kept.process_id) == ("failed", "Traceback …", 77)
    assert kept.worker == run.worker


def test_a_worker_whose_run_was_taken_away_may_write_nothing():
    run = claimed()
    TaskRun.objects.update(token=1)  # somebody else has it now

    @transaction.atomic
    def work_and_settle():
        Counter.add("effect")
        settle([outcome(run, attempt_outcome=AttemptOutcome.FAILED)])

    with pytest.raises(Fenced):
        work_and_settle()

    assert Counter.read("effect") == 0
    assert not TaskAttempt.objects.exists()
    assert TaskRun.objects.get().state == RunState.RUNNING


@pytest.mark.parametrize("verb", ["mark_lost", "release"])
def test_after_its_run_was_taken_away_its_token_is_worth_nothing(verb):
    run = claimed()
    mark_lost([run], max_losses=4, why="gone") if verb == "mark_lost" else release(
        [run], why="stop"
    )

    with pytest.raises(Fenced), transaction.atomic():
        settle([outcome(run)])
    assert mark_lost([run], max_losses=4, why="gone") == 0
    assert release([run], why="stop") == 0
    assert TaskAttempt.objects.count() == 1


@pytest.mark.parametrize("take_away", [partial(mark_lost, max_losses=4), release])
def test_a_run_that_was_claimed_again_is_not_taken_from_who_has_it_now(take_away):
    """A relay that read the run before another one took it away comes too late."""
    run = claimed()
    TaskRun.objects.update(token=1)  # started again, elsewhere

    assert take_away([run], why="its process died") == 0

    now = TaskRun.objects.get()
    assert (now.state, now.token, now.losses) == (RunState.RUNNING, 1, 0)
    assert not TaskAttempt.objects.exists()


def test_one_run_taken_away_fences_the_whole_batch():
    runs = [claimed(), claimed()]
    TaskRun.objects.filter(pk=runs[1].pk).update(token=1)

    with pytest.raises(Fenced, match="1 of 2"), transaction.atomic():
        settle([outcome(run) for run in runs])

    assert set(TaskRun.objects.values_list("state", flat=True)) == {"running"}


def test_a_finished_run_cannot_be_settled_again():
    run = claimed()
    settle([outcome(run)])

    with pytest.raises(Fenced), transaction.atomic():
        settle([outcome(run)])


def test_a_lost_delivery_is_counted_apart_from_failures_and_due_at_once():
    run = claimed(failures=2, publish_at=ago(minutes=-1))  # its message has a lease

    assert mark_lost([run], max_losses=4, why="its worker was lost") == 1

    run.refresh_from_db()
    assert (run.state, run.failures, run.losses) == (RunState.PENDING, 2, 1)
    assert TaskRun.objects.due().count() == TaskRun.objects.unpublished().count() == 1
    assert run.attempts.get().outcome == AttemptOutcome.LOST


def test_the_fourth_lost_delivery_is_the_last():
    for losses in range(4):
        run = claimed(losses=losses)
        mark_lost([run], max_losses=4, why="its process died")

    last = TaskRun.objects.get(losses=4)
    assert last.state == RunState.DEAD
    assert last.finished_at
    assert "poison" in last.error
    assert TaskRun.objects.filter(state=RunState.PENDING).count() == 3


def test_what_a_stopping_worker_releases_counts_nothing():
    run = claimed(failures=1, losses=1)

    assert release([run], why="its worker was stopped") == 1

    run.refresh_from_db()
    assert (run.state, run.failures, run.losses) == (RunState.PENDING, 1, 1)
    assert TaskRun.objects.unpublished().count() == 1
    assert run.attempts.get().outcome == AttemptOutcome.RELEASED
