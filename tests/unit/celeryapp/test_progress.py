"""``self.update_state()``: how far a run is, as its caller and its page see it."""

import pytest
from asgiref.sync import sync_to_async
from celery import states
from celery.exceptions import Ignore
from celery.result import AsyncResult

import neural
from neural.models import TaskRun
from tests.unit.celeryapp.canvas import ledger_task, run_all
from tests.unit.runs.run_page_world import page

pytestmark = pytest.mark.django_db(transaction=True)  # an asynchronous body has its own connection

PROGRESS = {"done": 30, "of": 100}


def seen(task_id):
    result = AsyncResult(task_id)
    return result.state, result.info


@pytest.fixture
def looks():
    """What a task sees of itself, after it has shown something, from its first attempt on."""
    return []


@pytest.fixture
def counting(looks):
    def count(self):
        self.update_state(state="PROGRESS", meta=PROGRESS)
        looks.append(seen(self.request.id))
        if not self.request.retries:
            raise self.retry(countdown=60)

    with ledger_task(count, bind=True, max_retries=1) as task:
        yield task


def test_a_caller_sees_it_while_the_attempt_is_under_way(counting, looks):
    asked = counting.delay()
    neural.run_due()
    assert looks == [("PROGRESS", PROGRESS)]
    assert seen(asked.id)[0] == states.RETRY

    run_all()
    assert looks == [("PROGRESS", PROGRESS)] * 2
    assert seen(asked.id) == (states.SUCCESS, None)


def test_the_next_attempt_shows_nothing_of_the_one_before(counting, looks):
    def first_look(self):
        looks.append(seen(self.request.id)[0])
        if not self.request.retries:
            self.update_state(state="PROGRESS", meta=PROGRESS)
            raise self.retry(countdown=60)

    with ledger_task(first_look, bind=True, max_retries=1) as task:
        task.delay()
        run_all()
    assert looks == [states.STARTED] * 2


def test_the_page_of_the_run_shows_it(looks):
    def show(self):
        self.update_state(state="LOADING", meta={"file": "<menu>.csv"})
        looks.append(page(TaskRun.objects.get(task_id=self.request.id)))

    with ledger_task(show, bind=True) as task:
        asked = task.delay()
        neural.run_due()
    assert "LOADING" in looks[0]
    assert "&lt;menu&gt;.csv" in looks[0]
    assert "LOADING" not in page(TaskRun.objects.get(task_id=asked.id))


def test_a_task_that_ignores_itself_keeps_what_it_has_shown():
    def reject(self):
        self.update_state(state="REFUSED", meta=PROGRESS)
        raise Ignore

    with ledger_task(reject, bind=True) as task:
        asked = task.delay()
        neural.run_due()
    assert seen(asked.id) == ("REFUSED", PROGRESS)


def test_an_exception_is_seen_as_one(looks):
    def fail(self):
        self.update_state(state=states.RETRY, meta=ValueError("wait"))
        looks.append(AsyncResult(self.request.id).info)

    with ledger_task(fail, bind=True) as task:
        task.delay()
        neural.run_due()
    assert isinstance(looks[0], ValueError)
    assert looks[0].args == ("wait",)


def test_an_asynchronous_task_shows_it_too(looks):
    async def wait(self):
        await sync_to_async(self.update_state)(state="PROGRESS", meta=PROGRESS)
        looks.append(await sync_to_async(seen)(self.request.id))

    with ledger_task(wait, bind=True) as task:
        task.delay()
        neural.run_due()
    assert looks == [("PROGRESS", PROGRESS)]


def test_in_an_atomic_task_it_has_no_effect(looks):
    def count(self):
        self.update_state(state="PROGRESS", meta=PROGRESS)
        looks.append(seen(self.request.id)[0])

    with ledger_task(count, bind=True, atomic=True) as task:
        task.delay()
        neural.run_due()
    assert looks == [states.STARTED]


def test_what_is_no_json_is_refused_with_a_sentence():
    def count(self):
        self.update_state(state="PROGRESS", meta={"rate": float("nan")})

    with ledger_task(count, bind=True) as task:
        asked = task.delay()
        neural.run_due()
    assert (
        "the meta of update_state() cannot be written as JSON"
        in TaskRun.objects.get(task_id=asked.id).error
    )


def test_another_task_may_show_how_far_a_run_is(looks):
    def look(self):
        task.update_state(self.request.id, "COUNTED", PROGRESS)
        looks.append(seen(self.request.id))

    with ledger_task(look, bind=True) as task:
        task.delay()
        neural.run_due()
    assert looks == [("COUNTED", PROGRESS)]
