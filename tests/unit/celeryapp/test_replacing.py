"""``self.replace()`` and ``self.add_to_chord()``: a run goes on as another, a batch grows."""

import pytest
from celery import chain, chord, current_app, group

from neural.batches import ending
from neural.celeryapp.results import LedgerOnly
from neural.ledger.claim import Claimant, claim
from neural.ledger.execute import run_alone
from neural.ledger.work import Clock
from neural.models import AwaitedMember, Batch, RunState, TaskRun
from tests.probe import canvas
from tests.probe.models import Effect
from tests.unit.batches.world import relays_ask
from tests.unit.celeryapp.canvas import all_done, ledger_task, record_plain_messages, runs_of
from tests.unit.factories import make_store

pytestmark = pytest.mark.django_db

add, total, note = canvas.add, canvas.total, canvas.note
WITH = {
    "a task": lambda: add.s(1, 2),
    "a chain": lambda: add.s(1, 1) | add.s(1),
    "a chord": lambda: chord([add.s(1, 0), add.s(1, 1)], total.s()),
    "a plain task": lambda: canvas.plain_add.s(1, 2),
    "a chain that a plain task ends": lambda: add.s(1, 1) | canvas.plain_add.s(1),
}


@pytest.fixture
def sent(fake_broker, monkeypatch):
    return record_plain_messages(monkeypatch)


@pytest.fixture
def replaced():
    """A task that is replaced by what `WITH` has under the name that it is given."""

    def go_on(self, what):
        Effect.objects.create(key=f"{what} begins")
        raise self.replace(WITH[what]())

    with ledger_task(go_on, bind=True, atomic=True) as task:
        yield task


@pytest.mark.parametrize("what", WITH)
def test_what_replaces_a_task_has_its_id_and_is_followed_by_what_follows_it(what, sent, replaced):
    result = chain(replaced.si(what), add.s(10), note.s("end"))()
    all_done(sent)

    assert result.get(timeout=1) == 13
    assert result.parent.parent.get(timeout=1) == 3
    assert set(Effect.objects.values_list("key", flat=True)) == {f"{what} begins", "end:13"}


@pytest.mark.parametrize("what", WITH)
def test_it_has_the_place_of_the_task_in_a_chord(what, sent, replaced):
    result = chord([add.s(0, 1), replaced.s(what), add.s(0, 5)], total.s())()
    all_done(sent)

    assert result.get(timeout=1) == 9
    assert result.parent.get(timeout=1) == [1, 3, 5]
    assert Batch.objects.filter(outcome="succeeded").exists()
    assert not AwaitedMember.objects.filter(ended_at=None).exists()


def test_the_results_of_a_group_are_the_tasks_without_a_result_backend(sent, monkeypatch):
    monkeypatch.setattr(current_app, "_backend_cache", LedgerOnly(app=current_app))

    def spread(self):
        self.replace(group(add.s(number, 1) for number in range(3)))

    with ledger_task(spread, bind=True) as task:
        result = task.delay()
        all_done(sent)

    assert result.get(timeout=1) == [1, 2, 3]


def test_a_replacement_that_fails_fails_the_task_and_calls_its_error_callbacks(sent):
    def go_on(self):
        self.replace(chain(add.s(1, 1), canvas.fail.si("it fails")))

    with ledger_task(go_on, bind=True) as task:
        result = task.apply_async(link_error=note.si("failed", "called"))
        all_done(sent)

    assert isinstance(result.result, Exception)
    assert str(result.result) == "it fails"
    assert Effect.objects.filter(key="called:failed").count() == 1


async def _later(self):
    self.replace(add.s(1, 2))


def test_a_coroutine_is_replaced_too(sent):
    with ledger_task(_later, bind=True) as task:
        result = task.delay()
        all_done(sent)

    assert result.get(timeout=1) == 3


def test_the_row_that_went_on_says_as_what_and_belongs_to_the_same_store(sent, replaced):
    make_store("S1")
    result = replaced.apply_async(["a task"], store="S1")
    all_done(sent)

    (former,), (now,) = runs_of(replaced), runs_of(add)
    assert (former.state, former.options["replaced_by"]) == ("succeeded", result.id)
    assert (now.task_id, now.parent_task_id, now.store_id) == (result.id, former.task_id, "S1")
    assert former.root_id == now.root_id == result.id


def test_nothing_replaces_a_run_that_was_taken_away(sent, replaced):
    """The replacement is in the transaction of the outcome, which the token guards."""
    result = replaced.delay("a task")
    (run,) = claim(task_id=result.id, claimant=Claimant())
    TaskRun.objects.filter(pk=run.pk).update(token=run.token + 1)

    run_alone(replaced, run, Clock.of(run))

    assert not runs_of(add)
    assert not Effect.objects.exists()


def test_a_cancelled_chord_cancels_what_a_member_was_replaced_by(sent, replaced):
    result = chord([replaced.s("a chain"), add.s(0, 5)], total.s())()
    (run,) = claim(task_id=result.parent.results[0].id, claimant=Claimant())
    run_alone(replaced, run, Clock.of(run))
    ending.cancel(Batch.objects.get().pk)
    relays_ask()

    assert {run.state for run in runs_of(add)} == {RunState.CANCELLED}
    assert Batch.objects.get().outcome == "cancelled"
    assert runs_of(total)[0].task_id == result.id


# A batch grows


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (lambda: add.s(1, 2), 11),
        (lambda: canvas.plain_add.s(1, 2), 11),
        (lambda: group(add.s(1, 1), add.s(1, 2)) | total.s(), 13),
    ],
)
def test_a_member_adds_to_its_chord(more, found, sent):
    def grow(self):
        self.add_to_chord(more())
        return 3

    with ledger_task(grow, bind=True) as task:
        result = chord([task.s(), add.s(2, 3)], total.s())()
        all_done(sent)

    assert result.get(timeout=1) == found


def test_who_is_no_member_adds_nothing(sent):
    def grow(self):
        self.add_to_chord(add.s(1, 2))

    with ledger_task(grow, bind=True, max_retries=0) as task:
        result = task.delay()
        all_done(sent)

    assert str(result.result) == "Current task is not member of any chord"
    assert not runs_of(add)
