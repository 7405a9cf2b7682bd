"""Batches are kept until they have ended, and then as long as their members."""

import pytest
from django.core.management import call_command

from neural.models import AwaitedMember, Batch, BatchState, RunState, TaskRun
from tests.unit.batches.world import awaits, make_batch, now, relays_ask
from tests.unit.factories import ago

pytestmark = pytest.mark.django_db
LONG_AGO = ago(days=1000)


def aged(batch):
    """The batch and its members, as if they were recorded and had ended long ago."""
    Batch.objects.filter(pk=batch.pk).update(created_at=LONG_AGO)
    Batch.objects.filter(pk=batch.pk).exclude(ended_at=None).update(ended_at=LONG_AGO)
    TaskRun.objects.filter(batch=batch).update(created_at=LONG_AGO, finished_at=LONG_AGO)
    AwaitedMember.objects.update(created_at=LONG_AGO)


def test_members_stay_while_their_batch_has_not_ended():
    batch = make_batch(RunState.SUCCEEDED, state=BatchState.OPEN)
    aged(batch)

    call_command("prune")

    assert TaskRun.objects.filter(batch=batch).exists()


def test_a_batch_that_ended_goes_after_its_members():
    batch = make_batch(RunState.SUCCEEDED)
    kept = make_batch(RunState.DEAD)
    awaits(batch, state="succeeded", ended_at=LONG_AGO)
    relays_ask()
    aged(batch)
    aged(kept)

    call_command("prune")

    assert list(Batch.objects.all()) == [kept]
    assert not AwaitedMember.objects.exists()
    assert now(kept).runs.count() == 1


def test_reports_of_no_batch_go():
    member = AwaitedMember.objects.create(batch_key="nobody", task_id="x")
    AwaitedMember.objects.create(batch_key="nobody", task_id="new")
    AwaitedMember.objects.filter(pk=member.pk).update(created_at=LONG_AGO)

    call_command("prune")

    assert [each.task_id for each in AwaitedMember.objects.all()] == ["new"]
