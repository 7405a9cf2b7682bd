"""A bulk action changes each run once: over forms sent twice, restarts and other people."""

from typing import Any

import pytest
from django.utils import timezone

from neural.models import AuditEntry, BulkAction, BulkActionItem, RunState, TaskRun
from neural.runs.bulk import acting
from neural.runs.bulk.beginning import BulkActionRefused, begin_bulk_action
from neural.runs.query import RunQuery
from tests.unit.runs import bulk_world as world

pytestmark = pytest.mark.django_db

DEAD, PENDING = RunState.DEAD, RunState.PENDING


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)


def test_a_form_that_is_sent_twice_asks_once() -> None:
    world.make_runs(2)
    user = world.operator()
    first = begin_bulk_action(verb="retry", user=user, reason="a", token="t", query=RunQuery())
    again = begin_bulk_action(verb="retry", user=user, reason="b", token="t", query=RunQuery())

    assert (first.is_new, again.is_new) == (True, False)
    assert again.action == first.action
    assert TaskRun.objects.filter(task="neural.tasks.act_on_runs").count() == 1
    assert AuditEntry.objects.count() == 1


def test_the_token_of_another_users_form_is_no_key_to_their_action() -> None:
    world.act_on_all(world.operator("lee"), token="t")
    with pytest.raises(BulkActionRefused, match="another user"):
        world.act_on_all(world.operator("kim"), token="t")


def test_two_operators_whose_actions_overlap_change_each_run_once() -> None:
    runs = world.make_runs(7)
    chosen = [run.pk for run in runs]
    mine = world.act_on_all(world.operator("lee"), run_ids=chosen)
    theirs = world.act_on_all(world.operator("kim"), "discard", run_ids=chosen[3:])

    acting.do_slice(mine, world.get_user_model().objects.get(username="lee"), now=timezone.now())
    world.finish(theirs)
    world.finish(mine)

    changed = BulkActionItem.objects.filter(outcome="changed").values_list("run_id", flat=True)
    assert sorted(changed) == chosen
    assert world.states() == {"pending": 3, "discarded": 4}
    assert set(mine.items.filter(run_id__in=chosen[3:]).values_list("detail", flat=True)) == {
        "acted_on"
    }


@pytest.mark.parametrize("dies_in", ["apply", "bulk_create", "advance", "finish"])
def test_a_slice_that_dies_anywhere_is_done_again_whole(dies_in: str, monkeypatch: Any) -> None:
    world.make_runs(8)
    action = world.act_on_all(world.operator())
    places = {
        "apply": (acting, "apply"),
        "bulk_create": (BulkActionItem.objects, "bulk_create"),
        "advance": (BulkAction, "advance"),
        "finish": (BulkAction, "finish"),
    }
    place, name = places[dies_in]
    whole, calls = getattr(place, name), []

    def dying(*args: Any, **kwargs: Any) -> Any:
        done = whole(*args, **kwargs)
        calls.append(1)
        if len(calls) == (1 if dies_in == "finish" else 2):
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(place, name, dying)
    with pytest.raises(KeyboardInterrupt):
        world.work(action)
    action.refresh_from_db()
    assert action.done == BulkActionItem.objects.count() == world.states()["pending"]
    assert action.done == (6 if dies_in == "finish" else 3)

    world.finish(action)

    assert world.states() == {"pending": 8}
    assert (action.changed, BulkActionItem.objects.count()) == (8, 8)


def test_of_two_workers_with_the_same_slice_one_does_it(monkeypatch: Any) -> None:
    world.make_runs(3)
    user = world.operator()
    action = world.act_on_all(user)
    behind = BulkAction.objects.get(pk=action.pk)
    world.finish(action)

    acting.do_slice(behind, user, now=timezone.now())

    action.refresh_from_db()
    assert action.changed == BulkActionItem.objects.count() == 3


def test_a_slice_that_another_worker_has_done_is_not_done_while_the_next_one_waits(
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 2)
    world.make_runs(3)
    user = world.operator()
    action = world.act_on_all(user)
    behind = BulkAction.objects.get(pk=action.pk)
    acting.do_slice(action, user, now=timezone.now())

    acting.do_slice(behind, user, now=timezone.now())

    action.refresh_from_db()
    assert (action.state, action.changed) == ("running", 2)
    assert BulkActionItem.objects.count() == 2


def test_a_run_that_somebody_discarded_meanwhile_is_left_as_it_is(monkeypatch: Any) -> None:
    runs = world.make_runs(2)
    action = world.act_on_all(world.operator())
    whole = acting.apply

    def late(*args: Any) -> Any:
        TaskRun.objects.get(pk=runs[0].pk).discard()
        return whole(*args)

    monkeypatch.setattr(acting, "apply", late)
    world.finish(action)

    assert world.states() == {"discarded": 1, "pending": 1}
    assert BulkActionItem.objects.get(run_id=runs[0].pk).detail == "no_match"


@pytest.mark.parametrize("slices", [0, 1, 2])
def test_of_two_peoples_retries_of_the_same_runs_each_has_an_outcome_for_every_run(
    slices: int,
) -> None:
    """Also for those that the other one has changed before it came to them."""
    runs = world.make_runs(8, error="unknown unit jin")
    asked = {"params": {"period": "all", "error": "jin"}}
    lee, kim = world.operator("lee"), world.operator("kim")
    mine, theirs = world.act_on_all(lee, **asked), world.act_on_all(kim, **asked)

    for _ in range(slices):
        acting.do_slice(BulkAction.objects.get(pk=mine.pk), lee, now=timezone.now())
    world.finish(theirs)
    TaskRun.objects.filter(pk__in=[run.pk for run in runs]).update(error="")
    world.finish(mine)

    assert (theirs.done, mine.done) == (8, 8)
    assert (mine.changed, theirs.changed) == (3 * slices, 8 - 3 * slices)
    for action in (mine, theirs):
        details = action.items.values_list("outcome", "detail")
        assert set(details) <= {("changed", ""), ("unfit", "acted_on")}
    told = AuditEntry.objects.standing().order_by("actor").values_list("actor", "count")
    assert list(told) == [("kim", 8 - 3 * slices), ("lee", 3 * slices)]
