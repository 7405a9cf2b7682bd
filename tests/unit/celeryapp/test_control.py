"""Revoking ledger tasks by Celery's own call."""

import pytest
from celery import current_app, group
from celery.app.control import Control as CeleryControl
from django.db import transaction

from neural.celeryapp.control import Control, terminate_run
from neural.models import RunState, TaskRun
from tests.probe import canvas
from tests.unit.factories import make_run

pytestmark = pytest.mark.django_db


@pytest.fixture
def broadcasts(monkeypatch):
    """What workers were told."""
    told = []
    monkeypatch.setattr(
        CeleryControl,
        "broadcast",
        lambda self, command, arguments=None, **options: told.append((command, arguments)),
    )
    return told


def test_the_application_has_the_control_that_knows_the_ledger():
    assert isinstance(current_app.control, Control)


def test_revoking_a_waiting_run_cancels_it_whether_or_not_a_worker_listens(fake_broker, broadcasts):
    result = canvas.add.delay(1, 1)

    result.revoke()

    assert TaskRun.objects.get().state == RunState.CANCELLED
    assert broadcasts == []


@pytest.mark.parametrize("state", [RunState.SUCCEEDED, RunState.DEAD, RunState.RUNNING])
def test_revoking_leaves_what_has_ended_or_begun(broadcasts, state):
    run = make_run(state)

    current_app.control.revoke(run.task_id)

    run.refresh_from_db()
    assert run.state == state


@pytest.mark.parametrize("call", ["revoke", "terminate"])
def test_with_terminate_a_run_under_way_is_fenced_off_and_its_process_is_ended_on_commit(
    broadcasts, call, django_capture_on_commit_callbacks
):
    run = make_run(RunState.RUNNING)

    with django_capture_on_commit_callbacks(execute=True):
        if call == "revoke":
            current_app.control.revoke(run.task_id, terminate=True, signal="SIGKILL")
        else:
            current_app.control.terminate(run.task_id, signal="SIGKILL")
        assert broadcasts == []

    run.refresh_from_db()
    assert (run.state, run.token) == (RunState.CANCELLED, None)
    assert broadcasts == [("terminate_run", {"task_id": run.task_id, "signal": "SIGKILL"})]


def test_a_revocation_that_is_rolled_back_ends_no_process(
    broadcasts, django_capture_on_commit_callbacks
):
    run = make_run(RunState.RUNNING)

    def undone():
        with transaction.atomic():
            current_app.control.revoke(run.task_id, terminate=True)
            raise KeyError

    with django_capture_on_commit_callbacks(execute=True), pytest.raises(KeyError):
        undone()

    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert broadcasts == []


def test_with_terminate_a_run_that_never_started_troubles_no_worker(fake_broker, broadcasts):
    canvas.add.delay(1, 1).revoke(terminate=True)

    assert TaskRun.objects.get().state == RunState.CANCELLED
    assert broadcasts == []


def test_a_group_is_revoked_with_all_its_runs(fake_broker, broadcasts):
    group(canvas.add.s(1, number) for number in range(3))().revoke()

    assert set(TaskRun.objects.values_list("state", flat=True)) == {RunState.CANCELLED}


def test_plain_tasks_are_revoked_as_usual_also_among_runs(broadcasts):
    run = make_run()

    current_app.control.revoke([run.task_id, "plain"])

    run.refresh_from_db()
    assert run.state == RunState.CANCELLED
    ((command, arguments),) = broadcasts
    assert (command, arguments["task_id"]) == ("revoke", ["plain"])


def test_a_person_may_retry_what_was_revoked(fake_broker, broadcasts):
    canvas.add.delay(1, 1).revoke()

    assert TaskRun.objects.get().retry()


class Request:
    def __init__(self, task_id):
        self.id = task_id
        self.ended = None

    def terminate(self, pool, signal=None):
        self.ended = signal


def test_a_worker_ends_the_process_that_works_on_the_run_and_no_other(monkeypatch):
    from types import SimpleNamespace

    from celery.worker import state as worker_state

    requests = [Request("one"), Request("other")]
    monkeypatch.setattr(worker_state, "active_requests", requests)
    state = SimpleNamespace(consumer=SimpleNamespace(pool=None))

    assert terminate_run(state, "one", "SIGTERM") == {"ok": "terminated one"}
    assert [request.ended for request in requests] == ["SIGTERM", None]
    assert "not at work" in terminate_run(state, "third")["ok"]
