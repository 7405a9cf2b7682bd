"""Which messages runs need."""

import pytest
from celery import current_app

from neural.broker import message
from neural.ledger.work import WorkSource
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db


class BatchingTask(WorkSource):
    """A task whose messages claim batches of one handler's runs."""

    def work_for(self, run):
        raise NotImplementedError

    def batchable(self):
        return ["h"]


def test_runs_that_may_be_batched_share_a_message_and_suspects_have_their_own(monkeypatch):
    monkeypatch.setitem(current_app.tasks, "t", BatchingTask())
    shared = [make_run(task="t", handler="h") for _ in range(101)]
    suspect = make_run(task="t", handler="h", losses=1)
    elsewhere = make_run(task="t", handler="h", queue="low_priority")
    alone = [make_run(task="t", handler="two_step"), make_run(task="t")]

    messages = message.messages_for([*shared, suspect, elsewhere, *alone])

    expected = [shared[0], shared[100], suspect, elsewhere, *alone]
    assert [message.task_id for message in messages] == [run.task_id for run in expected]


def test_each_run_of_a_task_without_batches_has_a_message():
    runs = [make_run(task="no such task", handler="h") for _ in range(3)]

    messages = message.messages_for(runs)

    assert [message.task_id for message in messages] == [run.task_id for run in runs]
