"""Work that has nothing to do yet puts itself off: no failure, no try, no worker that waits."""

import datetime as dt

import pytest
from django.utils import timezone

import neural
from neural.errors import NeuralError
from neural.ledger.work import Postponed, so_far
from neural.models import RunState, TaskRun, TaskTry
from tests.unit.canvas import ledger_task

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def later(**span: float) -> dt.datetime:
    return timezone.now() + dt.timedelta(**span)


def test_a_postponed_run_is_due_again_later_and_nothing_is_counted():
    def waiting():
        raise Postponed(30)

    with ledger_task(waiting) as task:
        task.delay()
        (outcome,) = neural.run_due()

    run = TaskRun.objects.get()
    assert (run.state, run.failures, run.losses, run.error) == (RunState.PENDING, 0, 0, "")
    assert run.available_at == run.publish_at == outcome.due_at
    assert 29 < (run.available_at - timezone.now()).total_seconds() < 31
    assert not TaskTry.objects.exists()


def test_it_may_be_postponed_more_often_than_it_may_be_retried():
    def waiting():
        said = so_far() or {"times": 0}
        if said["times"] == 5:
            return "done"
        raise Postponed(1, so_far={"times": said["times"] + 1})

    with ledger_task(waiting, max_retries=1) as task:
        task.delay()
        for hours in range(6):
            neural.run_due(now=later(hours=hours))

    assert TaskRun.objects.get().result == "done"


def test_what_it_said_so_far_outlives_a_try_that_fails():
    def waiting():
        if so_far() is None:
            raise Postponed(1, so_far={"round": 7})
        raise NeuralError("the database was away")

    with ledger_task(waiting) as task:
        task.delay()
        neural.run_due()
        neural.run_due(now=later(seconds=10))

    run = TaskRun.objects.get()
    assert (run.failures, run.result) == (1, {"round": 7})


def test_called_outside_of_a_run_there_is_nothing_so_far():
    assert so_far() is None
