"""Which messages runs need."""

import pytest
from celery import current_app

from neural.broker import message
from neural.ledger.work import WorkSource
from tests.unit.ledger import make_run

pytestmark = pytest.mark.django_db


class TakingAlong(WorkSource):
    """A task whose messages take along the runs of one handler."""

    def work_for(self, run):
        raise NotImplementedError

    def companions(self):
        return ["h"]


def test_runs_that_may_be_taken_along_share_a_message_and_suspects_have_their_own(monkeypatch):
    monkeypatch.setitem(current_app.tasks, "t", TakingAlong())
    shared = [make_run(task="t", handler="h") for _ in range(101)]
    suspect = make_run(task="t", handler="h", losses=1)
    elsewhere = make_run(task="t", handler="h", queue="low_priority")
    alone = [make_run(task="t", handler="two_step"), make_run(task="t")]

    rings = message.rings_for([*shared, suspect, elsewhere, *alone])

    expected = [shared[0], shared[100], suspect, elsewhere, *alone]
    assert [ring.task_id for ring in rings] == [run.task_id for run in expected]


def test_of_a_task_that_takes_nobody_along_each_run_has_a_message():
    runs = [make_run(task="no such task", handler="h") for _ in range(3)]

    rings = message.rings_for(runs)

    assert [ring.task_id for ring in rings] == [run.task_id for run in runs]
