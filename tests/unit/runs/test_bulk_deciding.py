"""Who may begin, stop and resume a bulk action, and what becomes of it without them."""

from typing import Any

import pytest
from django.utils import timezone

from neural.ledger.ports import Ended
from neural.models import AuditEntry, BulkAction, RunState, TaskRun
from neural.runs.bulk import acting, deciding
from neural.runs.bulk.beginning import BulkActionRefused
from tests.unit.factories import make_run, make_store
from tests.unit.runs import bulk_world as world

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)


# Who


def test_a_user_who_loses_the_permission_changes_nothing_more() -> None:
    world.make_runs(6)
    user = world.operator()
    action = world.act_on_all(user)
    acting.do_slice(action, user, now=timezone.now())
    user.user_permissions.clear()

    world.work(action)

    action.refresh_from_db()
    assert (action.state, action.stop_reason) == ("stopped", deciding.NOT_PERMITTED)
    assert world.states() == {"pending": 3, "dead": 3}
    assert told() == [("runs.bulk.retry", "failed", 3)]
    assert AuditEntry.objects.latest("pk").details["stopped"] == {"reason": "not_permitted"}


@pytest.mark.parametrize("end", ["deleted", "inactive"])
def test_a_user_who_has_left_changes_nothing_more(end: str) -> None:
    world.make_runs(1)
    user = world.operator()
    action = world.act_on_all(user)
    user.delete() if end == "deleted" else type(user).objects.update(is_active=False)

    world.work(action)

    assert BulkAction.objects.get().state == "stopped"
    assert world.states() == {"dead": 1}


def test_a_user_of_some_stores_changes_the_runs_of_these_alone() -> None:
    mine, lost = make_store("S1"), make_store("S2")
    user = world.operator(stores=[mine, lost])
    runs = [make_run(DEAD, store=mine), make_run(DEAD, store=make_store("S3")), make_run(DEAD)]
    gone = make_run(DEAD, store=lost)
    everything = world.act_on_all(user)
    chosen = world.act_on_all(user, "discard", run_ids=[run.pk for run in (*runs, gone)])
    lost.operators.clear()

    world.finish(everything)
    world.finish(chosen)

    assert world.states() == {"pending": 1, "dead": 3}
    assert TaskRun.objects.get(pk=runs[0].pk).state == "pending"
    assert set(chosen.items.values_list("outcome", "before")) == {
        ("unfit", ""),
        ("unfit", "pending"),
    }


@pytest.mark.parametrize("verb", world.EVERY_VERB)
def test_each_verb_needs_its_own_permission(verb: str) -> None:
    others = [each for each in world.EVERY_VERB if each != verb]
    user = world.operator(verbs=others)
    with pytest.raises(BulkActionRefused) as refused:
        world.act_on_all(user, verb, values={"queue": "default"})
    assert refused.value.problems.keys() == {"verb"}
    assert not BulkAction.objects.exists()
    assert not TaskRun.objects.exists()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"reason": "  "}, "reason"),
        ({"reason": "a" * 501}, "reason"),
        ({"pace": 0}, "pace"),
        ({"pace": 10**6}, "pace"),
        ({"run_ids": []}, "runs"),
        ({"run_ids": list(range(10_001))}, "runs"),
        ({"params": {"state": "running"}}, "runs"),
        ({"token": ""}, "token"),
        ({"verb": "explode"}, "verb"),
        ({"verb": "move"}, "queue"),
        ({"verb": "move", "values": {"queue": "nowhere"}}, "queue"),
        ({"verb": "move", "values": {"queue": 7}}, "queue"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_sentence(asked: Any, field: str) -> None:
    with pytest.raises(BulkActionRefused) as refused:
        world.act_on_all(world.operator(), **{"verb": "retry", **asked})
    assert refused.value.problems.keys() == {field}
    assert refused.value.problems[field].endswith(".")
    assert not BulkAction.objects.exists()


# Stop and resume


def test_a_stopped_action_changes_nothing_until_it_is_resumed() -> None:
    world.make_runs(6)
    user = world.operator()
    action = world.act_on_all(user)
    acting.do_slice(action, user, now=timezone.now())

    assert deciding.stop(action=action, user=user)
    assert not deciding.stop(action=action, user=user)
    assert world.work(action) is None
    assert world.states() == {"pending": 3, "dead": 3}
    assert action.stopped_by == "lee"
    assert told() == [("runs.bulk.retry", "stopped", 3)]

    assert deciding.resume(action=action, user=user)
    world.finish(action)

    assert world.states() == {"pending": 6}
    assert told() == [("runs.bulk.retry", "done", 6)]


def told() -> list[tuple[str, str, int]]:
    """What people see of the audit log."""
    found = AuditEntry.objects.standing().order_by("pk")
    return list(found.values_list("action", "outcome", "count"))


def test_an_action_is_one_entry_that_says_what_became_of_it() -> None:
    runs = world.make_runs(5, RunState.PENDING)
    user = world.operator()
    action = world.act_on_all(user, "cancel", reason="sent twice by the till")

    assert told() == [("runs.bulk.cancel", "begun", 0)]
    acting.do_slice(action, user, now=timezone.now())
    TaskRun.objects.get(pk=runs[-1].pk).cancel()
    assert told() == [("runs.bulk.cancel", "begun", 0)]
    deciding.stop(action=action, user=user)
    deciding.resume(action=action, user=user)
    assert told() == [("runs.bulk.cancel", "begun", 3)]
    world.finish(action)

    assert told() == [("runs.bulk.cancel", "done", 4)]
    entry = AuditEntry.objects.standing().get()
    assert (entry.target_model, entry.target_ids) == ("neural.bulkaction", [str(action.pk)])
    assert (entry.actor, entry.reason) == ("lee", "sent twice by the till")
    assert (entry.details["expected"], entry.details["unfit"]) == (5, 1)


def test_who_may_not_do_it_stops_nothing_and_a_user_of_a_store_only_their_own() -> None:
    action = world.act_on_all(world.operator())
    viewer = world.operator("kim", verbs=["discard"])
    local = world.operator("ann", stores=[make_store("S1")])
    for user in (viewer, local):
        assert not deciding.stop(action=action, user=user)
    assert deciding.stop(action=action, user=world.operator("bob"))
    for user in (viewer, local):
        assert not deciding.resume(action=action, user=user)


def test_an_action_whose_run_is_dead_stops_and_can_be_resumed() -> None:
    world.make_runs(2)
    user = world.operator()
    action = world.act_on_all(user)
    run = TaskRun.objects.get(pk=action.run_id)
    TaskRun.objects.filter(pk=run.pk).update(state=DEAD, finished_at=timezone.now())
    assert action.is_stalled

    deciding.stop_with_run([Ended(run, RunState.DEAD, "")])

    action.refresh_from_db()
    assert (action.state, action.stop_reason) == ("stopped", deciding.RUN_DEAD)
    assert deciding.resume(action=action, user=user)
    assert action.run_id != run.pk
    world.finish(action)
    assert action.changed == 2


@pytest.mark.parametrize(
    "end",
    [
        lambda run: run.cancel(),
        lambda run: run.revoke(),
        lambda run: TaskRun.objects.filter(pk=run.pk).cancel(),
    ],
    ids=["cancelled", "revoked", "cancelled with others"],
)
def test_an_action_whose_run_somebody_cancelled_stops_with_it_and_can_be_resumed(end) -> None:
    world.make_runs(2)
    user = world.operator()
    action = world.act_on_all(user)
    assert not action.can_resume

    end(TaskRun.objects.get(pk=action.run_id))

    action.refresh_from_db()
    assert (action.state, action.stop_reason) == ("stopped", deciding.RUN_CANCELLED)
    assert deciding.resume(action=action, user=user)
    world.finish(action)
    assert action.changed == 2


def test_an_action_that_an_older_release_left_without_a_run_is_stalled_and_can_be_resumed() -> None:
    user = world.operator()
    action = world.act_on_all(user)
    TaskRun.objects.filter(pk=action.run_id).update(state="cancelled", finished_at=timezone.now())

    assert action.is_stalled
    assert deciding.resume(action=action, user=user)
    assert not action.is_stalled


def test_an_action_that_was_read_before_its_end_is_not_taken_for_one_that_nobody_goes_on_with() -> (
    None
):
    """Its last slice and the end of its run are committed between two statements of a page."""
    world.make_runs(1)
    read_before = world.act_on_all(world.operator())
    world.finish(BulkAction.objects.get())
    TaskRun.objects.get(pk=read_before.run_id).cancel()

    assert read_before.is_under_way
    assert not read_before.is_stalled
