"""Small things of Celery's own: options without effect, ``self.request``, ignored results."""

import datetime as dt

import pytest
from celery import group, states
from celery.result import AsyncResult

import neural
from neural.broker.message import run_message
from neural.celeryapp.call import OptionNotKept
from neural.models import TaskRun
from tests.probe import canvas
from tests.unit.celeryapp.canvas import ledger_task, run_all, runs_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fake_broker")]

SECRET = "hunter2"


def run_of(result):
    return TaskRun.objects.get(task_id=result.id)


def test_what_the_caller_shows_instead_of_the_arguments_is_all_that_a_message_shows():
    result = canvas.add.apply_async((SECRET, 2), argsrepr="('***', 2)", kwargsrepr="{}")

    assert run_message(run_of(result)).argsrepr == "args=('***', 2) kwargs={}"
    assert run_of(result).shown_arguments == ("('***', 2)", "{}")


def test_the_runs_page_shows_what_the_caller_shows(admin_client):
    run = run_of(canvas.add.apply_async((SECRET, 2), argsrepr="('***', 2)"))

    page = admin_client.get(f"/admin/neural/taskrun/{run.pk}/change/").content.decode()

    assert SECRET not in page
    assert "***" in page


def test_an_error_of_too_many_retries_does_not_say_what_the_caller_hides():
    def give_up(self, word):
        self.retry(max_retries=0)

    with ledger_task(give_up, bind=True) as task:
        result = task.apply_async((SECRET,), argsrepr="('***',)")
        run_all()

    assert SECRET not in run_of(result).error
    assert "***" in run_of(result).error


def seen(self):
    request = self.request
    names = ("eta", "time_limit", "soft_time_limit", "properties", "delivery_info")
    return {name: getattr(request, name) for name in names}


def test_the_request_has_properties_limits_and_priority():
    with ledger_task(seen, bind=True, time_limit=60, soft_time_limit=45) as task:
        now = task.apply_async(app_id="till", priority=7, throw=False)
        later = task.apply_async(countdown=30, time_limit=20, soft_time_limit=10)
        run_all()

    found = now.get(timeout=1)
    assert found["properties"]["app_id"] == "till"
    assert found["delivery_info"]["priority"] == 7
    assert (found["time_limit"], found["soft_time_limit"], found["eta"]) == (60, 45, None)
    due = dt.datetime.fromisoformat(later.get(timeout=1)["eta"])
    assert due == run_of(later).available_at
    assert (later.get()["time_limit"], later.get()["soft_time_limit"]) == (20, 10)


def test_a_retry_may_change_when_the_run_expires():
    def expire(self):
        raise self.retry(expires="2020-01-01", countdown=60, throw=False, serializer="json")

    with ledger_task(expire, bind=True) as task:
        result = task.apply_async(expires=3600)
        run_all()

    assert run_of(result).state == "cancelled"
    assert result.state == "REVOKED"


def test_a_retry_cannot_move_the_run():
    def move(self):
        self.retry(queue="low_priority")

    with ledger_task(move, bind=True) as task:
        result = task.delay()
        run_all()

    assert isinstance(result.result, OptionNotKept)


def test_an_untyped_task_fails_by_its_own_error():
    def take_nothing():
        return None

    with ledger_task(take_nothing, typing=False, max_retries=0) as task:
        result = task.delay(1)
        run_all()

    assert isinstance(result.result, TypeError)


@pytest.mark.parametrize(
    ("declared", "asked", "ignored"),
    [({}, {}, False), ({"ignore_result": True}, {}, True), ({}, {"ignore_result": True}, True)],
)
def test_the_result_of_a_call_says_whether_it_is_ignored(declared, asked, ignored):
    with ledger_task(seen, bind=True, **declared) as task:
        assert task.apply_async(**asked).ignored is ignored


def three():
    return 3


IGNORED = {"status": states.PENDING, "result": None}


@pytest.mark.parametrize(
    ("declared", "asked", "kept"),
    [
        ({}, {}, True),
        ({"ignore_result": True}, {}, False),
        ({"ignore_result": True}, {"ignore_result": False}, True),
        ({}, {"ignore_result": True}, False),
    ],
)
def test_a_result_backend_keeps_nothing_that_it_was_asked_to_ignore_and_the_ledger_does(
    declared, asked, kept
):
    with ledger_task(three, **declared) as task:
        called = task.apply_async(**asked)
        run_all()
        meta = task.backend.get_task_meta(called.id)

    assert {name: meta[name] for name in IGNORED} == (
        {"status": states.SUCCESS, "result": 3} if kept else IGNORED
    )
    assert (run_of(called).state, run_of(called).result) == ("succeeded", 3)


@pytest.mark.parametrize("stores_errors", [False, True])
def test_an_error_that_was_to_be_ignored_is_kept_if_the_task_says_so(stores_errors):
    def fail():
        raise KeyError("lost")

    declared = {"ignore_result": True, "store_errors_even_if_ignored": stores_errors}
    with ledger_task(fail, max_retries=0, **declared) as task:
        called = task.delay()
        run_all()
        status = task.backend.get_task_meta(called.id)["status"]

    assert status == (states.FAILURE if stores_errors else states.PENDING)


def test_who_waits_for_an_ignored_run_by_its_id_is_not_left_waiting():
    with ledger_task(three, ignore_result=True) as task:
        called = task.delay()
        run_all()

        assert called.get(timeout=1) is None
        assert AsyncResult(called.id).get(timeout=1) == 3


def test_a_result_that_is_a_result_is_kept_as_celery_keeps_it():
    def call():
        return group(canvas.add.s(number, 1) for number in range(2))()

    with ledger_task(call) as task:
        result = task.delay()
        run_all()

    ((group_id, _), members) = result.get(timeout=1)
    assert [AsyncResult(member[0][0]).get(timeout=1) for member in members] == [1, 2]
    assert {run.options["group_id"] for run in runs_of(canvas.add)} == {group_id}


def test_a_canvas_may_be_larger_than_the_arguments_of_a_task():
    links = [canvas.note.si("x" * 100_000, str(number)) for number in range(4)]

    result = canvas.add.apply_async((1, 2), link=links)
    neural.run_due()

    assert run_of(result).state == "succeeded"
    assert len(runs_of(canvas.note)) == 4
