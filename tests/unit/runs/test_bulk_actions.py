"""Bulk actions: one verb on all runs that match, at the pace that was asked for."""

import datetime as dt
from typing import Any

import pytest
from django.db import IntegrityError
from django.utils import timezone

from neural.models import BulkActionItem, BulkActionState, RunState, TaskRun
from neural.runs import selecting
from neural.runs.acts import RunVerb
from neural.runs.bulk import acting
from neural.runs.bulk.listeners import LISTENERS
from tests.unit.factories import make_event, make_run, make_store
from tests.unit.runs import bulk_world as world

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True, params=[selecting.MOST_COUNTED, 0], ids=["counted", "uncounted"])
def _counted_or_too_many(request: Any, monkeypatch: Any) -> None:
    """The runs of an action are known when it is begun, or they are too many to be counted."""
    monkeypatch.setattr(selecting, "MOST_COUNTED", request.param)


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)


# What it does


def test_all_dead_runs_are_retried_in_slices_without_a_cap() -> None:
    world.make_runs(10)
    waiting = make_run(PENDING)
    action = world.finish(world.act_on_all(world.operator()))

    assert world.states() == {"pending": 11}
    assert (action.state, action.changed, action.unfit) == (BulkActionState.FINISHED, 10, 0)
    assert (action.expected, action.done) in ((10, 10), (None, 10))
    assert action.finished_at
    assert BulkActionItem.objects.count() == 10
    assert not BulkActionItem.objects.filter(run_id=waiting.pk).exists()
    assert set(BulkActionItem.objects.values_list("before", flat=True)) == {"dead"}


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("retry", DEAD, "pending"),
        ("hurry", PENDING, "pending"),
        ("cancel", PENDING, "cancelled"),
        ("discard", DEAD, "discarded"),
    ],
)
def test_each_verb_changes_the_runs_of_its_usual_state(
    verb: str, before: RunState, after: str
) -> None:
    later = timezone.now() + dt.timedelta(hours=1)
    run = make_run(before, available_at=later, publish_at=later, failures=3)
    other = make_run(RunState.SUCCEEDED)

    world.finish(world.act_on_all(world.operator(), verb))

    run.refresh_from_db()
    assert run.state == after
    assert TaskRun.objects.get(pk=other.pk).state == "succeeded"
    if verb in ("retry", "hurry"):
        assert TaskRun.objects.unpublished().filter(pk=run.pk).exists()


def test_a_cancelled_run_is_retried_only_if_the_filter_names_its_state() -> None:
    run = make_run(RunState.CANCELLED)
    user = world.operator()
    world.finish(world.act_on_all(user))
    assert TaskRun.objects.get(pk=run.pk).state == "cancelled"

    named = {"period": "all", "state": "cancelled"}
    world.finish(world.act_on_all(user, params=named, token="another form"))

    assert TaskRun.objects.get(pk=run.pk).state == "pending"


def test_waiting_runs_move_with_a_new_message_at_once_or_when_they_are_due() -> None:
    long_ago, later = timezone.now() - dt.timedelta(hours=1), timezone.now() + dt.timedelta(hours=1)
    due = make_run(PENDING, available_at=long_ago, publish_at=later)
    waits = make_run(PENDING, available_at=later, publish_at=later)
    there = make_run(PENDING, queue="low_priority")
    action = world.act_on_all(world.operator(), "move", values={"queue": "low_priority"})

    world.finish(action)

    for run in (due, waits):
        run.refresh_from_db()
        assert run.queue == "low_priority"
    assert due.available_at == long_ago
    assert due.publish_at < later
    assert waits.publish_at == later
    item = BulkActionItem.objects.get(run_id=there.pk)
    assert (item.outcome, item.detail) == ("unfit", "there_already")


def test_a_dead_run_that_moves_stays_dead_until_it_is_retried() -> None:
    run = make_run(DEAD)
    action = world.act_on_all(
        world.operator(),
        "move",
        values={"queue": "low_priority"},
        params={"period": "all", "state": "dead"},
    )
    world.finish(action)
    run.refresh_from_db()
    assert (run.state, run.queue) == ("dead", "low_priority")


def test_only_what_matches_the_filter_and_came_before_is_changed() -> None:
    chosen = make_run(DEAD, task="kitchen.cook", store=make_store("S1"))
    make_run(DEAD, task="kitchen.serve", store=make_store("S1"))
    make_run(DEAD, task="kitchen.cook", store=make_store("S2"))
    params = {"work": "kitchen.cook", "store": "S1", "period": "7d"}
    action = world.act_on_all(world.operator(), "discard", params=params)
    after = make_run(DEAD, task="kitchen.cook", store=make_store("S1"))

    world.finish(action)

    assert world.states() == {"discarded": 1, "dead": 3}
    assert TaskRun.objects.get(pk=chosen.pk).state == "discarded"
    assert TaskRun.objects.get(pk=after.pk).state == "dead"
    assert "period" not in action.query
    assert {"since", "until"} <= action.query.keys()


def test_chosen_runs_are_changed_and_the_others_of_them_told() -> None:
    dead, done, other = make_run(DEAD), make_run(RunState.SUCCEEDED), make_run(DEAD)
    keys = [done.pk, dead.pk, dead.pk, 10**9]
    action = world.finish(world.act_on_all(world.operator(), run_ids=keys))

    assert TaskRun.objects.get(pk=other.pk).state == "dead"
    items = {item.run_id: (item.outcome, item.before, item.detail) for item in action.items.all()}
    assert items == {
        dead.pk: ("changed", "dead", ""),
        done.pk: ("unfit", "succeeded", "state"),
        10**9: ("unfit", "", "gone"),
    }
    assert (action.expected, action.changed, action.unfit) == (3, 1, 2)


def test_the_run_of_an_action_is_left_alone() -> None:
    user = world.operator()
    own = world.act_on_all(user, "hurry")
    world.finish(world.act_on_all(user, "cancel"))
    assert TaskRun.objects.get(pk=own.run_id).state == "pending"
    assert BulkActionItem.objects.get(run_id=own.run_id).detail == "of_action"


def test_a_run_whose_payload_was_pruned_is_not_retried() -> None:
    run = make_run(DEAD, event=make_event(pruned_at=timezone.now()), handler="h")
    world.finish(world.act_on_all(world.operator()))
    assert TaskRun.objects.get(pk=run.pk).state == "dead"
    assert BulkActionItem.objects.get().detail == "payload_pruned"


def test_a_run_that_the_database_refuses_to_change_does_not_stop_the_others(
    monkeypatch: Any,
) -> None:
    runs = world.make_runs(5)
    whole = RunVerb.change_all

    def refusing(verb: RunVerb, some: Any, **facts: Any) -> None:
        whole(verb, some, **facts)
        if runs[1] in some:
            raise IntegrityError("a rule of the database")

    monkeypatch.setattr(RunVerb, "change_all", refusing)
    action = world.finish(world.act_on_all(world.operator()))

    assert world.states() == {"pending": 4, "dead": 1}
    assert (action.changed, action.failed) == (4, 1)
    failed = BulkActionItem.objects.get(outcome="failed")
    assert (failed.run_id, failed.detail) == (runs[1].pk, "a rule of the database")


def test_apps_are_told_what_was_changed(monkeypatch: Any) -> None:
    told: list[Any] = []
    monkeypatch.setitem(LISTENERS._things, "a test", lambda verb, keys: told.append((verb, keys)))
    runs = world.make_runs(2)
    world.finish(world.act_on_all(world.operator()))
    assert told == [("retry", [run.pk for run in runs])]


# Pace


def test_the_pace_is_held_over_the_seconds() -> None:
    world.make_runs(8)
    clock = world.Clock()
    action = world.act_on_all(world.operator(), pace=2)
    changed = []
    for _ in range(20):
        wait = world.work(action, clock=clock)
        action.refresh_from_db()
        changed.append((clock.now.second, action.changed))
        if wait is None:
            break
        assert wait == 1
        clock.passes(wait)

    assert changed == [(0, 2), (1, 4), (2, 6), (3, 8)]


def test_an_action_that_was_kept_waiting_catches_up_on_two_seconds_at_most() -> None:
    world.make_runs(20)
    clock = world.Clock()
    action = world.act_on_all(world.operator(), pace=2)
    world.work(action, clock=clock)
    clock.passes(3600)

    world.work(action, clock=clock)

    action.refresh_from_db()
    assert action.changed == 2 + 3 * 2


def test_a_worker_does_the_whole_action() -> None:
    import neural

    world.make_runs(4, task="probe.nothing")
    action = world.act_on_all(world.operator(), "discard")

    (outcome,) = [each for each in neural.run_due() if each.run.task == "neural.tasks.act_on_runs"]

    assert outcome.succeeded
    action.refresh_from_db()
    assert outcome.value == {
        "bulk_action": action.pk,
        "state": "finished",
        "changed": 4,
        "unfit": 0,
        "failed": 0,
    }
    assert world.outcomes(action) == {"changed": 4}
