"""Work that has nothing to do yet puts itself off: no failure, no attempt, no worker that waits."""

import datetime as dt

import pytest
from django.utils import timezone

import neural
from neural.kit.errors import NeuralError
from neural.ledger.work import Snooze, checkpoint
from neural.models import RunState, TaskAttempt, TaskRun
from tests.unit.celeryapp.canvas import ledger_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]


def later(**span: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(**span)


def test_a_snoozed_run_is_due_again_later_and_nothing_is_counted():
    def waiting():
        raise Snooze(30)

    with ledger_task(waiting) as task:
        task.delay()
        (outcome,) = neural.run_due()

    run = TaskRun.objects.get()
    assert (run.state, run.failures, run.losses, run.error) == (RunState.PENDING, 0, 0, "")
    assert run.available_at == run.publish_at == outcome.due_at
    assert 29 < (run.available_at - outcome.finished_at).total_seconds() < 31
    assert not TaskAttempt.objects.exists()


def test_it_may_be_snoozed_more_often_than_it_may_be_retried():
    def waiting():
        said = checkpoint() or {"times": 0}
        if said["times"] == 5:
            return "done"
        raise Snooze(1, checkpoint={"times": said["times"] + 1})

    with ledger_task(waiting, max_retries=1) as task:
        task.delay()
        for hours in range(6):
            neural.run_due(now=later(hours=hours))

    assert TaskRun.objects.get().result == "done"


def test_its_checkpoint_outlives_an_attempt_that_fails():
    def waiting():
        if checkpoint() is None:
            raise Snooze(1, checkpoint={"round": 7})
        raise NeuralError("the database was away")

    with ledger_task(waiting) as task:
        task.delay()
        neural.run_due()
        neural.run_due(now=later(seconds=10))

    run = TaskRun.objects.get()
    assert (run.failures, run.result) == (1, {"round": 7})


def test_called_outside_of_a_run_there_is_no_checkpoint():
    assert checkpoint() is None
