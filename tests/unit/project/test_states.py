"""Nothing freezes: every state of every model has a mover, and another one when that is gone."""

import datetime as dt
import re
from dataclasses import replace
from functools import partial

import pytest
from django.apps import apps
from django.db import transaction
from django.utils import timezone

import neural
from neural.forecasting.models import StoreUpdate, TrainingRound
from neural.forecasting.rounds.asking import ADVANCE_TASK
from neural.health.findings import ok
from neural.hooks.incoming import reconciling
from neural.hooks.models import Reconciliation
from neural.ledger import record
from neural.ledger.claim import Claimant, claim
from neural.ledger.execute import run_alone
from neural.ledger.settle import mark_lost
from neural.ledger.work import Clock, Work, WorkSource, default_retry
from neural.models import AwaitedMember, BulkAction, RunState, TaskRun
from neural.monitoring.alerts import evaluating, sending
from neural.monitoring.errors import grouping
from neural.monitoring.models import ErrorGroup
from neural.retrieval.index.rebuilding import REBUILD_TASK
from neural.runs.models import run_ends
from neural.worker import relay
from tests.probe import canvas
from tests.unit.batches import world as batches
from tests.unit.factories import ago, held, make_event, make_run, make_store, make_worker
from tests.unit.forecasting import learning_world
from tests.unit.hooks.hooks_world import source
from tests.unit.hooks.subscribing import happens, subscribe
from tests.unit.hooks.subscribing import only as only_delivery
from tests.unit.monitoring import alerting
from tests.unit.monitoring.alert_rules import situation
from tests.unit.project.test_docs import ROOT
from tests.unit.retrieval.search_world import index
from tests.unit.runs import bulk_world

PAGE = ROOT / "docs" / "reference" / "states.md"
COLUMNS = ("state", "status", "standing")
BY_A_PERSON = "a person"


def rows_of(page):
    """Model, states and the last two cells of each row of the table."""
    for line in page.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            yield cells[0].strip("`"), re.findall(r"`(\w+)`", cells[1]), cells[2], cells[3]


TABLE = [(model, state, *rest) for model, states, *rest in rows_of(PAGE) for state in states]
MOVED = [
    f"{model}.{state}"
    for model, state, mover, _gone in TABLE
    if mover != "–" and not mover.startswith(BY_A_PERSON)
]


def states_of_models():
    for model in apps.get_models():
        if model.__module__.startswith(("neural.", "zhilian.")) and not model._meta.proxy:
            for field in model._meta.fields:
                if field.name in COLUMNS and field.choices:
                    yield from ((model.__name__, value) for value, _label in field.flatchoices)


def test_the_table_has_every_state_of_every_model_and_no_other():
    assert {(model, state) for model, state, *_ in TABLE} == set(states_of_models())


def test_whoever_moves_a_row_is_somebodys_second():
    assert [row for row in TABLE if row[2] != "–" and not row[3]] == []


# How a run ends before its work is done


class Cancelling(WorkSource):
    def work_for(self, run):
        return Work(function=lambda: None, atomic=True, retry=default_retry())


def expire(run):
    options = {**run.options, "expires_at": ago(minutes=1).isoformat()}
    TaskRun.objects.filter(pk=run.pk).update(options=options)
    (claimed,) = claim(task_id=run.task_id, claimant=Claimant())
    run_alone(Cancelling(), claimed, Clock.of(claimed))


def die(run):
    (claimed,) = claim(task_id=run.task_id, claimant=Claimant())
    mark_lost([claimed], max_losses=1, why="gone")


def revoke_at_work(run):
    (claimed,) = claim(task_id=run.task_id, claimant=Claimant())
    TaskRun.objects.get(pk=claimed.pk).revoke()


ENDS = {
    "dead": die,
    "cancelled": lambda run: run.cancel(),
    "cancelled with others": lambda run: TaskRun.objects.filter(pk=run.pk).cancel(),
    "revoked at work": revoke_at_work,
    "expired": expire,
    "superseded": lambda run: (
        TaskRun.objects.filter(pk=run.pk).update(failures=1),
        TaskRun.objects.get(pk=run.pk).supersede(),
    ),
}
"""Each takes a run that waits."""


# Rows in each state whose mover is gone, and who comes instead. Each returns the row.


def a_run_without_message(end):
    run = make_run(task=canvas.add.name, args=[1, 2], publish_at=ago(hours=1))
    relay.relay_once()
    neural.run_due()
    return run


def a_run_of_a_lost_worker(end):
    run = held(make_worker(heartbeat_at=ago(hours=1)), task=canvas.add.name, args=[1, 2])
    relay.relay_once()
    return run


def an_open_batch_of_a_run(end):
    run = make_run(task=canvas.add.name, args=[1, 2])
    batch = neural.batch().row
    type(batch).objects.filter(pk=batch.pk).update(
        parent_task_id=run.task_id, options={"tied": True}
    )
    end(run)
    batches.relays_ask()
    return batch


def a_closed_batch(end):
    batch = batches.make_batch(RunState.RUNNING)
    TaskRun.objects.filter(batch=batch).update(
        state=RunState.SUCCEEDED, token=None, finished_at=timezone.now()
    )  # and its worker was killed before it had asked
    batches.relays_ask()
    return batch


def a_member_whose_leader_ends(end):
    leader = make_run(task=canvas.add.name, args=[1, 2])
    awaited = batches.awaits(batches.make_batch(), led_by=[leader.task_id])
    end(leader)
    batches.relays_ask()
    assert AwaitedMember.objects.get(pk=awaited.pk).ended_at
    return awaited


def a_bulk_action(end, state):
    bulk_world.make_runs(1)
    action = bulk_world.act_on_all(bulk_world.operator())
    BulkAction.objects.filter(pk=action.pk).update(state=state)
    end(TaskRun.objects.get(pk=action.run_id))
    return action


def an_index(end):
    building = index()
    run = make_run(task=REBUILD_TASK, kwargs={"index_id": building.pk})
    building.hand_to(run.task_id)
    end(run)
    return building


def a_round(end, state):
    training = learning_world.training(state)
    end(make_run(task=ADVANCE_TASK, kwargs={"round_id": training.pk}))
    assert TrainingRound.objects.get(pk=training.pk).reason == "run_ended"
    return training


def an_invited_store(end):
    """It stays as it is, in a round that is over."""
    training = learning_world.training("collecting")
    learning_world.update(training, make_store(), "invited")
    end(make_run(task=ADVANCE_TASK, kwargs={"round_id": training.pk}))
    assert not StoreUpdate.objects.filter(round__in=TrainingRound.objects.open()).exists()
    return training


def a_reconciliation(end):
    row = Reconciliation.objects.create(source=source("square"), day=dt.date(2026, 3, 2))
    end(make_run(task=reconciling.TASK, kwargs={"reconciliation": row.pk}))
    row.refresh_from_db()
    assert (row.state, len(row.failures)) == ("failed", 1)
    assert row in reconciling.OLD.rows(Reconciliation.objects.all())  # it is pruned some day
    return row


def a_delivery(end):
    subscribe("https://erp.example/hook")
    happens()
    relay.do_duties()
    end(TaskRun.objects.get(task_id=only_delivery().task_id))
    relay.do_duties()
    return only_delivery()


def an_alert(end, state):
    since = timezone.now() - dt.timedelta(hours=1)
    alert = alerting.alert("batches", "", state=state, since=since, seen_at=since)
    seen = situation()
    for seconds in (0, 600):
        seen.now = timezone.now() + dt.timedelta(seconds=seconds)
        found = [replace(ok("none"), probe="batches")]
        evaluating.evaluate(seen, found, now=seen.now)
    return alert


def an_alert_message(end):
    told = alerting.alert()
    alerting.channel(enabled=True)
    alerting.told(told, now=timezone.now() - dt.timedelta(hours=1))
    message = alerting.only()
    end(TaskRun.objects.get(kwargs__message_id=message.message_id))
    type(message.channel).objects.update(enabled=False)  # so that nothing is sent from here
    (attempt,) = sending._taken()
    sending.conclude(attempt.message, attempt.perform(now=timezone.now()), now=timezone.now())
    return message


def a_muted_group(end):
    group = ErrorGroup.objects.create(
        fingerprint="x", exception="ValueError", first_at=ago(days=1), last_at=ago(days=1),
        state="muted", muted_until=ago(hours=1),
    )  # fmt: skip
    grouping.end_mutes(now=timezone.now())
    return group


SCENES = {
    "TaskRun.pending": a_run_without_message,
    "TaskRun.running": a_run_of_a_lost_worker,
    "Batch.open": an_open_batch_of_a_run,
    "Batch.closed": a_closed_batch,
    "AwaitedMember.open": a_member_whose_leader_ends,
    "BulkAction.waiting": partial(a_bulk_action, state="waiting"),
    "BulkAction.running": partial(a_bulk_action, state="running"),
    "SearchIndex.building": an_index,
    **{
        f"TrainingRound.{state}": partial(a_round, state=state)
        for state in ("planned", "selecting", "collecting", "aggregating", "evaluating")
    },
    "StoreUpdate.invited": an_invited_store,
    "Reconciliation.asking": a_reconciliation,
    "Delivery.pending": a_delivery,
    **{
        f"Alert.{state}": partial(an_alert, state=state)
        for state in ("pending", "firing", "acknowledged")
    },
    "AlertMessage.pending": an_alert_message,
    "ErrorGroup.muted": a_muted_group,
}
BY_RUNS = {
    *("Batch.open", "AwaitedMember.open", "BulkAction.waiting", "SearchIndex.building"),
    *("TrainingRound.collecting", "Reconciliation.asking", "Delivery.pending"),
}
"""Of each kind of work, the state that is tried with every end of a run; the others with one."""


def test_every_state_that_a_machine_moves_is_walked():
    assert set(SCENES) == set(MOVED)


@pytest.mark.django_db
@pytest.mark.usefixtures("fake_broker")
@pytest.mark.parametrize(
    ("which", "end"),
    [(which, end) for which in SCENES for end in (ENDS if which in BY_RUNS else ["cancelled"])],
)
def test_a_row_whose_mover_is_gone_moves_on(which, end):
    row = SCENES[which](ENDS[end])

    model, state = which.split(".")
    stays = type(row).objects.filter(pk=row.pk, state=state).exists()
    assert not stays or model == "StoreUpdate", f"the row still is {state}"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "make"),
    [
        (REBUILD_TASK, lambda: ("index_id", index())),
        (
            reconciling.TASK,
            lambda: (
                "reconciliation",
                Reconciliation.objects.create(source=source("square"), day=dt.date(2026, 3, 2)),
            ),
        ),
    ],
    ids=["an index", "a reconciliation"],
)
def test_a_row_ends_with_the_last_of_two_runs_that_carry_it_on(task, make):
    argument, row = make()
    call = {"args": [], "kwargs": {argument: row.pk}, "queue": "default", "priority": 5}
    one, other = (record.enqueue(task=task, **call) for _ in range(2))
    before = row.state

    one.cancel()
    assert type(row).objects.get(pk=row.pk).state == before

    other.cancel()
    assert type(row).objects.get(pk=row.pk).state != before


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["x", None, 1.5, [1], 10**30, -1])
def test_a_clients_message_of_any_content_is_dead_and_does_no_harm(key):
    tasks = {REBUILD_TASK: "index_id", reconciling.TASK: "reconciliation", ADVANCE_TASK: "round_id"}
    for task, argument in tasks.items():
        die(make_run(task=task, kwargs={argument: key}))

    assert TaskRun.objects.dead().count() == len(tasks)


@pytest.mark.django_db
def test_what_ends_a_run_is_undone_with_what_it_would_have_ended(monkeypatch):
    """One transaction: a listener that fails leaves the run as it was."""

    run = make_run(event=make_event())
    broken = {"broken": lambda ended: 1 / 0}
    monkeypatch.setattr(run_ends, "_listeners", broken)

    for end in (run.cancel, TaskRun.objects.filter(pk=run.pk).cancel):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            end()

    assert TaskRun.objects.get(pk=run.pk).state == RunState.PENDING
