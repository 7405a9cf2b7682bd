"""`doctor` and an alert speak of batches that nothing ends."""

import pytest

import neural
from neural.health import Status, runs
from neural.health.checks import CHECKS
from neural.health.examination import ask
from neural.health.situation import Situation
from neural.models import AwaitedMember, Batch, RunState
from neural.monitoring.alerts.rules.findings import BATCHES, FINDING
from tests.probe import canvas
from tests.unit.factories import ago, make_run
from tests.unit.health.doctoring import is_found
from tests.unit.monitoring.alert_rules import found, judged, view

pytestmark = pytest.mark.django_db


def old_batch(name="night", **fields):
    batch = neural.batch(name).row
    Batch.objects.filter(pk=batch.pk).update(created_at=ago(days=2), **fields)
    return batch


def test_a_batch_that_nobody_closes_is_a_warning_that_names_it():
    batch = old_batch()

    finding = runs.batches(Situation())

    assert is_found(finding, Status.WARNING, "1 batch", batch.batch_id, "Batch.close()")


def test_so_is_a_closed_one_that_waits_for_a_plain_task_alone():
    batch = old_batch(state="closed")
    AwaitedMember.objects.create(batch_key=batch.batch_id, task_id="plain")
    make_run(RunState.SUCCEEDED, batch=batch)

    assert runs.batches(Situation()).status == Status.WARNING


@pytest.mark.parametrize("state", [RunState.PENDING, RunState.RUNNING])
def test_one_whose_members_wait_or_work_is_none(state):
    make_run(state, batch=old_batch(), task=canvas.add.name)

    assert runs.batches(Situation()).status == Status.OK


def test_nor_is_one_that_is_young_or_has_ended():
    neural.batch("young")
    with neural.batch("ended") as batch:
        pass
    Batch.objects.filter(pk=batch.row.pk).update(created_at=ago(days=2))
    neural.run_due()

    assert runs.batches(Situation()).status == Status.OK


def test_an_alert_says_the_same_and_ends_with_it():
    batch = old_batch()
    finding = ask(CHECKS.get("batches"), Situation())

    (condition,) = judged(BATCHES, view(finding)).conditions
    assert condition.severity == "warning"
    assert batch.batch_id in BATCHES.sentence("", condition.facts)
    assert found(FINDING, view(finding)) == {}

    neural.Batch(batch).close()
    neural.run_due()
    well = view(ask(CHECKS.get("batches"), Situation()))
    assert found(BATCHES, well) == {}
    assert BATCHES.judge(well, {}).knows("")
    assert not BATCHES.judge(view(), {}).knows("")  # it was not asked
