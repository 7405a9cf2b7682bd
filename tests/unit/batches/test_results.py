"""The results of a batch's members, read where they are."""

import pytest

from neural.batches import recording, results
from neural.ledger.record import new_task_run
from neural.models import AwaitedMember, AwaitedState, Batch, BatchState, RunState, TaskRun
from tests.probe import canvas
from tests.unit.batches.world import now

pytestmark = pytest.mark.django_db


def new(place):
    options = {"group_index": place}
    return new_task_run(
        task=canvas.add.name, args=[1, 2], kwargs={}, queue="default", priority=5, options=options
    )


@pytest.fixture
def header():
    """A chord's header whose members were recorded in another order than that of its results."""
    batch = Batch(batch_id="header", kind="chord", state=BatchState.CLOSED)
    plain = AwaitedMember(task_id="plain", group_index=1, value="b", state="succeeded")
    plain.ended_at = "2026-01-01T00:00:00Z"
    recording.record(batch, awaited=[plain], runs=[new(11), new(0), new(2)])
    for run in TaskRun.objects.all():
        TaskRun.objects.filter(pk=run.pk).update(
            state="succeeded", finished_at=run.created_at, result=run.options["group_index"]
        )
    return now(batch)


def test_values_are_in_the_members_order(header):
    assert results.values(header) == [0, "b", 2, 11]
    assert results.first_failure(header) is None
    assert results.counts(header) == {"succeeded": 4}


@pytest.mark.parametrize("state", [RunState.DEAD, RunState.DISCARDED, RunState.PENDING])
def test_a_member_without_a_result_is_named(header, state):
    run = TaskRun.objects.get(options__group_index=2)
    TaskRun.objects.filter(pk=run.pk).update(state=state, error="ValueError: no")

    with pytest.raises(results.MemberNotSucceeded, match=f"{run.task_id} raised ValueError: no"):
        results.values(header)


def test_a_dead_member_is_named_before_one_that_was_cancelled(header):
    first, last = TaskRun.objects.get(options__group_index=0), TaskRun.objects.last()
    TaskRun.objects.filter(pk=first.pk).update(state="cancelled")
    TaskRun.objects.filter(pk=last.pk).update(state="dead", error="KeyError")

    assert results.first_failure(header).task_id == last.task_id


def test_a_plain_member_that_failed_is_named(header):
    AwaitedMember.objects.update(state=AwaitedState.FAILED, error="OSError: away")

    assert str(results.first_failure(header)) == "Dependency plain raised OSError: away"


def test_results_that_were_pruned_are_missed(header):
    TaskRun.objects.first().delete()

    with pytest.raises(results.ResultsPruned):
        results.values(header)
