"""What a dead run has not started has failed, until a person retries that run."""

import pytest
from celery import chain, chord, current_app, group
from celery.exceptions import ChordError
from celery.result import AsyncResult
from django.core.management import call_command

import neural
from neural.celeryapp import callbacks
from neural.celeryapp.celery_view import SEND_TASK
from neural.celeryapp.results import DatabaseResults, LedgerOnly
from neural.ledger import record
from neural.ledger.claim import Claimant, claim
from neural.ledger.settle import mark_lost
from neural.models import AwaitedMember, Batch, TaskRun
from tests.probe.acting import Failing
from tests.probe.canvas import add, fail, note, plain_add, plain_fail, plain_note, total
from tests.probe.models import Effect
from tests.unit.celeryapp.canvas import all_done, record_plain_messages, run_all, runs_of
from tests.unit.factories import ago

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True, params=[DatabaseResults, LedgerOnly])
def backend(request, monkeypatch):
    monkeypatch.setattr(current_app, "_backend_cache", request.param(app=current_app))
    return request.param


@pytest.fixture
def sent(fake_broker, monkeypatch):
    return record_plain_messages(monkeypatch)


@pytest.mark.parametrize(
    "rest",
    [
        [add.s(1)],
        [plain_add.s(1)],
        [add.s(1), plain_add.s(1), add.s(1)],
        [group(add.s(1), plain_add.s(2))],
        [group(add.s(1), plain_add.s(2)), total.s(), add.s(1)],
        [chord([add.s(1)], chain(total.s(), add.s(1)))],
        [add.s(1, 2, 3, 4), add.s(1)],  # the follower itself is refused
    ],
    ids=repr,
)
def test_the_rest_of_a_chain_has_failed_with_its_dead_member(sent, rest):
    first = add.s(1, 1) if rest[0].get("args") == (1, 2, 3, 4) else fail.s("first")
    result = chain(first, *rest)()
    assert not result.ready()

    all_done(sent)

    assert result.ready()
    assert result.failed()
    for each in getattr(result, "results", [result]):
        alone = AsyncResult(each.id)
        assert alone.state == "FAILURE"
        assert alone.ready()
        with pytest.raises(Failing if first.task == fail.name else TypeError):
            alone.get(timeout=1)


def test_a_group_that_holds_such_a_chain_is_ready(sent):
    result = group(chain(fail.s("first"), add.s(1), add.s(1)), add.s(1, 1))()

    all_done(sent)

    assert result.ready()
    assert result.failed()
    with pytest.raises(Failing, match="first"):
        result.get(timeout=1)
    assert result.get(timeout=1, propagate=False)[1] == 2


@pytest.mark.parametrize("place", [0, 1])
def test_a_chord_whose_body_dies_in_its_middle_raises_its_error(sent, place):
    body = [total.s(), add.s(1), add.s(1)]
    body.insert(place + 1, fail.si("middle"))
    result = chord([add.s(1, 1), plain_add.s(2, 2)])(chain(*body))

    all_done(sent)

    with pytest.raises(Failing, match="middle"):
        result.get(timeout=1)


def test_a_chord_whose_header_dies_fails_to_the_end_of_its_body(sent):
    result = chord([fail.s("member"), add.s(1, 1)])(chain(total.s(), add.s(1), add.s(1)))

    all_done(sent)

    assert result.ready()
    with pytest.raises(ChordError, match="member"):
        AsyncResult(result.id).get(timeout=1)


def test_it_waits_again_when_a_person_retries_and_then_has_its_own_end(sent):
    result = chain(fail.s("first"), note.s("second"), note.s("third"))()
    run_all()
    (dead,) = TaskRun.objects.dead()

    dead.retry()

    assert result.state == AsyncResult(result.parent.id).state == "PENDING"
    TaskRun.objects.filter(pk=dead.pk).update(task=note.name, args=["now", "first"])
    run_all()
    assert result.get(timeout=1) == "now"
    assert Effect.counts() == {"first:now": 1, "second:now": 1, "third:now": 1}


def test_what_two_runs_have_not_started_has_failed_like_the_later_one(sent):
    result = chain(fail.s("first"), fail.si("second"), note.s("third"))()
    run_all()
    (dead,) = TaskRun.objects.dead()
    dead.retry()
    TaskRun.objects.filter(pk=dead.pk).update(task=note.name, args=["now", "first"])

    run_all()

    with pytest.raises(Failing, match="second"):
        AsyncResult(result.id).get(timeout=1)


def test_a_dead_run_that_was_discarded_has_failed_still(sent):
    result = chain(fail.s("first"), add.s(1))()
    run_all()
    TaskRun.objects.dead().get().discard()

    assert AsyncResult(result.id).state == "FAILURE"


def test_so_has_the_rest_of_a_poison(sent):
    result = chain(add.s(1, 1), add.s(1))()
    (run,) = claim(task_id=result.parent.id, claimant=Claimant())

    mark_lost([run], max_losses=1, why="its process died")

    assert AsyncResult(result.id).state == "FAILURE"


def test_a_plain_task_that_was_sent_by_a_run_that_died_there_has_its_own_end(sent, backend):
    first = add.s(1, 1).set(queue="high_priority")
    results = group(chain(first, plain_add.s(1)), chain(first, plain_add.s(2)))()
    neural.run_due(queue="high_priority")
    for run in runs_of(SEND_TASK):
        (sending,) = claim(task_id=run.task_id, claimant=Claimant())
        callbacks.send(*sending.args)
        mark_lost([sending], max_losses=1, why="its process died")

    all_done(sent)

    if backend is DatabaseResults:  # without one, results of plain tasks are not kept
        assert [AsyncResult(each.id).state for each in results] == ["SUCCESS"] * 2
        assert results.get(timeout=1) == [3, 4]


def test_a_plain_task_that_fails_fails_the_rest_of_its_chain(sent, backend):
    result = chain(add.s(1, 1), plain_fail.si("plain"), add.s(1), plain_note.s("no"))()

    all_done(sent)

    if backend is DatabaseResults:  # without one, results of plain tasks are not kept
        for each in (result, result.parent):
            with pytest.raises(Failing, match="plain"):
                AsyncResult(each.id).get(timeout=1)


def test_what_has_not_started_is_kept_as_long_as_its_dead_run(sent):
    result = chain(fail.s("first"), add.s(1))()
    run_all()
    AwaitedMember.objects.update(created_at=ago(days=1000))
    call_command("prune")
    assert AsyncResult(result.id).state == "FAILURE"

    TaskRun.objects.dead().get().retry()
    call_command("prune")
    assert not AwaitedMember.objects.exists()


def test_ids_that_nobody_could_keep_do_not_undo_the_death(sent):
    result = fail.apply_async(chain=[dict(add.s(1).set(task_id="x" * 256))])

    run_all()

    assert result.state == "FAILURE"
    assert len(runs_of(fail)) == 1


FORGED = [
    5,
    [5],
    {"task": "celery.group"},
    [{"task": 5, "options": 5, "kwargs": 5}],
    [{"task": "t", "options": {"chord": 5, "group_id": [5], "task_id": 5}}],
    [{"task": "celery.chord", "kwargs": {"header": {"task": []}, "body": "body"}}],
]


@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_nor_does_a_forged_chain_of_any_run(sent, forged):
    result = fail.apply_async(("first",), chain=forged)
    by_message = record.enqueue(
        task=SEND_TASK, args=[forged, [], forged], kwargs={}, queue="default", priority=5
    )

    run_all()

    assert result.state == AsyncResult(by_message.task_id).state == "FAILURE"


@pytest.mark.parametrize("forged", FORGED, ids=repr)
def test_nor_does_a_forged_chain_of_a_chords_body(sent, forged):
    header = Batch.objects.create(batch_id="header", kind="chord", options={"body": {}})
    link_error = note.si("told", "error")
    body = {"header": {"batch": header.pk, "values": False}, "link_error": [link_error]}

    result = fail.apply_async(("body",), chain=forged, **body)
    run_all()

    assert result.state == "FAILURE"
