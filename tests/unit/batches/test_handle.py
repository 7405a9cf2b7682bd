"""Batches as Python code makes them: `neural.batch()`."""

from contextlib import suppress

import pytest
from celery import chain, chord, group
from django.db import transaction

import neural
from neural.batches import leading
from neural.batches.handle import BatchUnknown
from neural.batches.ports import COUNTED_BY_LEDGER
from neural.celeryapp.celery_view import SEND_TASK
from neural.models import AwaitedMember, Batch, RunState, TaskRun
from tests.probe import canvas
from tests.probe.models import Effect
from tests.unit.celeryapp.canvas import ledger_task, record_plain_messages, run_all

pytestmark = pytest.mark.django_db
EVERY = {f"on_{name}": canvas.note.s(name) for name in ("complete", "success", "death")}


def callbacks_of(batch):
    """The callbacks that have run, by what they have left."""
    suffix = f":{batch.batch_id}"
    effects = Effect.objects.filter(key__endswith=suffix).order_by("pk")
    return [each.key.removesuffix(suffix) for each in effects]


def state_of(batch):
    return Batch.objects.get(batch_id=batch.batch_id).state


@pytest.fixture
def sent(monkeypatch):
    return record_plain_messages(monkeypatch)


def test_what_follows_starts_when_the_block_has_ended_and_all_members_have():
    with neural.batch("sums", **EVERY) as batch:
        batch.add(canvas.add.s(1, 2))
        batch.add_all(canvas.add.s(number, 0) for number in range(3))
        neural.run_due()
        assert callbacks_of(batch) == []  # more may be added

    neural.run_due()

    assert sorted(callbacks_of(batch)) == ["complete", "success"]
    assert (batch.counts(), batch.progress) == ({"succeeded": 4}, (4, 4))


def test_counts_and_progress_tell_how_far_it_is():
    with neural.batch() as batch:
        batch.add_all([canvas.add.s(1, 2), canvas.fail.s()])
        neural.run_due()
        batch.add(canvas.add.s(1, 2))

        assert batch.counts() == {"succeeded": 1, "dead": 1, "pending": 1}
        assert batch.progress == (2, 3)


def test_a_dead_member_starts_on_death_and_no_on_success():
    with neural.batch(**EVERY) as batch:
        batch.add_all([canvas.fail.s(), canvas.add.s(1, 2), canvas.fail.s()])

    neural.run_due()

    assert callbacks_of(batch) == ["death", "complete"]


def test_an_empty_batch_ends_at_once():
    with neural.batch(**EVERY) as batch:
        pass

    neural.run_due()

    assert sorted(callbacks_of(batch)) == ["complete", "success"]


def test_a_block_that_raises_cancels_what_waits():
    batch = neural.batch(**EVERY)
    with suppress(ZeroDivisionError), batch:
        batch.add(canvas.add.s(1, 2))
        raise ZeroDivisionError

    neural.run_due()

    assert batch.counts() == {"cancelled": 1}
    assert callbacks_of(batch) == ["complete"]


def test_a_block_that_is_repeated_and_raises_cancels_nothing_of_a_batch_that_was_closed():
    with neural.batch(batch_id="once") as batch:
        batch.add(canvas.add.s(1, 2))

    with pytest.raises(neural.BatchClosed), neural.batch(batch_id="once") as again:
        again.add(canvas.add.s(3, 4))

    assert batch.counts() == {"pending": 1}


def test_a_callers_transaction_that_is_rolled_back_leaves_nothing():
    with suppress(ZeroDivisionError), transaction.atomic():
        with neural.batch(**EVERY) as batch:
            batch.add(canvas.add.s(1, 2))
        raise ZeroDivisionError

    neural.run_due()

    assert not TaskRun.objects.exists()
    with pytest.raises(BatchUnknown):
        neural.Batch.get(batch.batch_id)


def test_a_member_adds_others_to_its_batch_also_when_it_is_closed():
    def spread(depth):
        if depth:
            neural.current_batch().add_all([spread_task.s(depth - 1)] * 2)

    with ledger_task(spread, atomic=True) as spread_task:
        with neural.batch(**EVERY) as batch:
            batch.add(spread_task.s(3))
        neural.run_due()

    assert batch.counts() == {"succeeded": 1 + 2 + 4 + 8}
    assert sorted(callbacks_of(batch)) == ["complete", "success"]


def test_a_run_of_no_batch_has_none():
    seen = []

    def look():
        seen.append(neural.current_batch())

    with ledger_task(look) as task:
        task.delay()
        neural.run_due()

    assert seen == [None]
    assert neural.current_batch() is None


def test_nobody_else_adds_to_a_closed_batch():
    with neural.batch() as batch:
        pass

    with pytest.raises(neural.BatchClosed):
        batch.add(canvas.add.s(1, 2))
    assert not batch.close()


def test_cancel_stops_the_rest_and_what_members_add_later():
    def cancels_and_adds():
        batch = neural.current_batch()
        assert batch.cancel() == 2
        batch.add(canvas.add.s(1, 2))

    with ledger_task(cancels_and_adds, run_priority=10) as task:
        with neural.batch(**EVERY) as batch:
            batch.add_all([canvas.add.s(1, 2), canvas.add.s(1, 2), task.s()])
        neural.run_due()

    assert batch.counts() == {"cancelled": 3, "succeeded": 1}
    assert callbacks_of(batch) == ["complete"]
    assert neural.Batch.get(batch.batch_id).row.outcome == "cancelled"


def test_a_cancel_that_a_kill_interrupted_is_finished_by_relays():
    with neural.batch(**EVERY) as batch:
        batch.add_all([canvas.add.s(1, 2)] * 3)
    Batch.objects.filter(pk=batch.row.pk).update(outcome="cancelled")

    for _turn in range(2):
        neural.run_due()

    assert batch.counts() == {"cancelled": 3}
    assert callbacks_of(batch) == ["complete"]


def test_many_members_are_added_in_thousands(monkeypatch, django_assert_max_num_queries):
    monkeypatch.setattr("neural.batches.recording.CHUNK", 10)
    taken = []

    def signatures():
        for number in range(35):
            taken.append(number)
            yield canvas.add.s(number, 0)
            recorded = TaskRun.objects.count()
            assert len(taken) - recorded <= 11  # no more are kept

    with neural.batch() as batch:
        batch.add_all(signatures())

    assert TaskRun.objects.filter(batch=batch.row.pk).count() == 35


def test_a_batch_id_that_was_used_before_is_the_batch_that_was_begun():
    first = neural.batch("night", batch_id="night 1", on_complete=canvas.note.s("complete"))
    first.add(canvas.add.s(1, 2).set(task_id="one"))

    for _time in range(2):  # its caller is repeated
        with neural.batch("night", batch_id="night 1") as again:
            again.add_all(canvas.add.s(1, 2).set(task_id=name) for name in ("one", "two"))
    neural.run_due()

    assert again.counts() == {"succeeded": 2}
    assert callbacks_of(first) == ["complete"]


def test_who_asked_and_the_store_are_those_of_the_call():
    neural.models.Store.objects.create(code="S01")

    def asks():
        neural.batch("x", store="S01", requested_by="ada", batch_id="x")

    with ledger_task(asks) as task:
        parent = task.delay()
        neural.run_due()

    row = Batch.objects.get(batch_id="x")
    assert (row.store_id, row.requested_by, row.parent_task_id) == ("S01", "ada", parent.id)


def test_groups_are_their_members():
    with neural.batch(**EVERY) as batch:
        batch.add(group(canvas.add.s(1, 2), group(canvas.add.s(3, 4), canvas.add.s(5, 6))))

    neural.run_due()

    assert batch.counts() == {"succeeded": 3}


def test_a_chord_is_a_member_that_ends_with_its_body(fake_broker):
    with neural.batch(**EVERY) as batch:
        batch.add(chord([canvas.add.s(1, 2), canvas.add.s(3, 4)], canvas.total.s()))

    neural.run_due()

    assert batch.counts() == {"succeeded": 1}
    assert callbacks_of(batch) == ["success", "complete"]


def test_an_event_is_no_member():
    with pytest.raises(neural.OptionNotKept), neural.batch() as batch:
        batch.add(neural.tasks.process_neural_event.s())


def test_a_run_that_may_be_another_callers_is_refused():
    with pytest.raises(ValueError, match="unique_key"), neural.batch() as batch:
        batch.add(canvas.add.s(1, 2).set(unique_key="once"))


# Plain members, and chains


def test_a_plain_task_is_sent_by_a_run_and_awaited(fake_broker, sent):
    with neural.batch(**EVERY) as batch:
        batch.add(canvas.plain_add.s(1, 2))
    neural.run_due()
    assert state_of(batch) == "closed"

    ((name, args, _, options),) = sent
    assert (name, args, options["group_id"]) == (canvas.plain_add.name, [1, 2], batch.batch_id)
    assert options["chord"]["options"][COUNTED_BY_LEDGER]
    neural.batches.awaited.report(batch.batch_id, options["task_id"], None, "succeeded", 3)
    neural.run_due()
    assert sorted(callbacks_of(batch)) == ["complete", "success"]


def test_a_plain_task_that_is_added_again_is_sent_once(fake_broker, sent):
    plain = canvas.plain_add.s(1, 2).set(task_id="plain 1")
    for _time in range(2):
        neural.batch(batch_id="night").add(plain)

    neural.run_due()

    assert [each.options["task_id"] for each in sent] == ["plain 1"]


def test_a_plain_task_that_cannot_be_sent_has_failed(fake_broker, sent):
    sent.away = True
    with neural.batch(**EVERY) as batch:
        batch.add(canvas.plain_add.s(1, 2))

    run_all()

    assert TaskRun.objects.get(task=SEND_TASK).state == RunState.DEAD
    assert sorted(callbacks_of(batch)) == ["complete", "death"]


def test_a_chain_whose_first_plain_task_cannot_be_sent_has_failed(fake_broker, sent):
    sent.away = True
    with neural.batch(**EVERY) as batch:
        batch.add(chain(canvas.plain_add.s(1, 2), canvas.add.s(1)))

    run_all()

    assert sorted(callbacks_of(batch)) == ["complete", "death"]


@pytest.mark.parametrize(
    "follows",
    [
        canvas.plain_add.s(1, 2),
        chain(canvas.plain_add.s(1, 2), canvas.add.s(1)),
        chain(canvas.add.s(1, 2), canvas.add.s(1)),
    ],
)
def test_cancel_stops_what_waits_before_a_member(fake_broker, sent, follows):
    with neural.batch(**EVERY) as batch:
        batch.add(follows)
        assert batch.cancel() == 1

    neural.run_due()

    assert sent == []
    assert TaskRun.objects.get(batch=None, parent_task_id="").state == RunState.CANCELLED
    assert callbacks_of(batch) == ["complete"]


def test_a_chain_is_awaited_until_its_last_task_and_fails_with_its_first(fake_broker, sent):
    with neural.batch(**EVERY) as batch:
        batch.add(chain(canvas.fail.s(), canvas.add.si(1, 2)))
    assert AwaitedMember.objects.get().batch_key == batch.batch_id

    run_all()

    assert batch.counts() == {"dead": 1}
    assert callbacks_of(batch) == ["death", "complete"]


def test_of_a_chain_the_last_task_is_the_member(fake_broker, sent):
    with neural.batch(**EVERY) as batch:
        batch.add(chain(canvas.add.s(1, 2), canvas.add.s(3), canvas.add.s(4)))

    neural.run_due()

    assert batch.counts() == {"succeeded": 1}
    assert TaskRun.objects.get(batch=batch.row.pk).result == 10
    assert sorted(callbacks_of(batch)) == ["complete", "success"]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda run: run.cancel(), "cancelled"),
        (lambda run: TaskRun.objects.filter(pk=run.pk).cancel(), "cancelled"),
        (lambda run: run.supersede(), "failed"),
    ],
)
def test_a_chain_that_somebody_ends_before_its_last_task_is_awaited_no_longer(
    fake_broker, sent, change, outcome
):
    with neural.batch(**EVERY) as batch:
        batch.add(chain(canvas.fail.s(), canvas.add.si(1, 2)))
        batch.add(chain(canvas.add.s(1, 2), canvas.add.s(1)))
    first = TaskRun.objects.get(task=canvas.fail.name)
    TaskRun.objects.filter(pk=first.pk).update(failures=1)

    change(first)
    for _turn in range(2):
        neural.run_due()

    assert Batch.objects.get().outcome == outcome
    assert "complete" in callbacks_of(batch)


def test_a_cancelled_chain_that_is_retried_in_time_is_the_member_again(fake_broker, sent):
    with neural.batch(**EVERY) as batch:
        batch.add(chain(canvas.add.s(1, 2), canvas.add.s(1)))
        batch.add(canvas.add.s(1, 2).set(countdown=3600))
    first = TaskRun.objects.filter(batch=None).get()
    first.cancel()
    neural.run_due()
    assert batch.counts() == {"cancelled": 1, "pending": 1}

    first.retry()
    run_all()

    assert batch.counts() == {"succeeded": 2}
    assert sorted(callbacks_of(batch)) == ["complete", "success"]


@pytest.mark.parametrize("reopens", [True, False])
def test_a_dead_chain_that_is_retried_later_ends_the_batch_anew_if_that_was_asked_for(
    fake_broker, sent, reopens
):
    broken = True

    def mended():
        if broken:
            raise ZeroDivisionError

    with ledger_task(mended, max_retries=0) as task:
        with neural.batch(**EVERY, reopens=reopens) as batch:
            batch.add(chain(task.s(), canvas.add.si(1, 2)))
        neural.run_due()
        assert callbacks_of(batch) == ["death", "complete"]

        broken = False
        TaskRun.objects.dead().get().retry()
        neural.run_due()

    assert batch.counts() == {"succeeded": 1}
    assert callbacks_of(batch).count("success") == reopens


def test_relays_look_at_what_leads_to_members_page_by_page(fake_broker, sent, monkeypatch):
    monkeypatch.setattr(leading, "MEMBERS", 2)
    with neural.batch(**EVERY) as batch:
        batch.add_all(chain(canvas.add.s(1, 2), canvas.add.s(1)) for _ in range(5))
    TaskRun.objects.all().cancel()

    for _turn in range(4):
        neural.run_due()

    assert batch.counts() == {"cancelled": 5}
    assert callbacks_of(batch) == ["complete"]


def test_so_is_one_in_a_chords_header(fake_broker, sent):
    chord([chain(canvas.add.s(1, 2), canvas.add.s(1)), canvas.add.s(1, 2)])(canvas.total.s())
    TaskRun.objects.filter(batch=None).get().cancel()

    for _turn in range(2):
        neural.run_due()

    assert Batch.objects.get().outcome == "cancelled"
    assert TaskRun.objects.get(task=canvas.total.name).state == RunState.DEAD


# What is no batch


@pytest.mark.parametrize("callback", [5, None, {"a": 1}, "name", object()])
def test_what_is_no_signature_is_no_member(callback):
    with pytest.raises(TypeError, match="a signature is needed"), neural.batch("imports") as batch:
        batch.add(callback)

    assert not TaskRun.objects.exists()


@pytest.mark.parametrize("callback", [5, {"a": 1}, "name", object()])
def test_what_is_no_signature_is_no_callback(callback):
    with pytest.raises(TypeError, match="a signature is needed"):
        neural.batch("imports", on_complete=callback)


def test_a_name_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="up to 200 characters, not 201"):
        neural.batch("x" * 201)
