"""Bulk actions of several threads at once: one execution."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from neural.models import BulkAction, BulkActionItem, TaskRun
from neural.runs.bulk import acting, beginning
from neural.runs.bulk.beginning import begin_bulk_action
from neural.runs.query import RunQuery
from tests.unit.runs import bulk_world as world

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Call each function in a thread of its own, all at the same moment; what they return."""
    start, found = threading.Barrier(len(calls)), [None] * len(calls)

    def call(place: int) -> None:
        start.wait(30)
        try:
            found[place] = calls[place]()
        finally:
            connection.close()

    threads = [threading.Thread(target=call, args=[place]) for place in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def test_a_form_that_comes_twice_at_once_asks_once() -> None:
    world.make_runs(2)
    user = world.operator()

    def send() -> Any:
        return begin_bulk_action(
            verb="retry", user=user, reason="mended", token="t", query=RunQuery()
        )

    begun = at_once(send, send, send)

    assert sorted(each.is_new for each in begun) == [False, False, True]
    assert {each.action.pk for each in begun} == {BulkAction.objects.get().pk}
    assert TaskRun.objects.filter(task="neural.tasks.act_on_runs").count() == 1


def test_a_form_that_comes_again_while_it_is_checked_asks_once(monkeypatch: Any) -> None:
    world.make_runs(2)
    user = world.operator()
    check = beginning.no_state

    def send() -> beginning.Begun:
        return begin_bulk_action(
            verb="retry", user=user, reason="mended", token="t", query=RunQuery()
        )

    def overtaken(*args: Any) -> str:
        monkeypatch.setattr(beginning, "no_state", check)
        assert send().is_new
        return check(*args)

    monkeypatch.setattr(beginning, "no_state", overtaken)

    assert not send().is_new
    assert BulkAction.objects.count() == 1


def test_two_workers_at_one_action_change_each_run_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)
    world.make_runs(20)
    action = world.act_on_all(world.operator())

    at_once(*[lambda: world.work(action)] * 3)

    action.refresh_from_db()
    assert (action.state, action.changed, action.unfit) == ("finished", 20, 0)
    assert world.states() == {"pending": 20}
    assert BulkActionItem.objects.count() == 20


def test_two_actions_that_overlap_change_each_run_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(acting, "SLICE_RUNS", 3)
    runs = world.make_runs(20)
    keys = [run.pk for run in runs]
    retry = world.act_on_all(world.operator("lee"), run_ids=keys)
    discard = world.act_on_all(world.operator("kim"), "discard", run_ids=keys)

    at_once(lambda: world.work(retry), lambda: world.work(discard))

    changed = BulkActionItem.objects.filter(outcome="changed").values_list("run_id", flat=True)
    assert sorted(changed) == keys
    assert BulkActionItem.objects.count() == 40
    retry.refresh_from_db()
    discard.refresh_from_db()
    assert world.states() == +world.Counter(pending=retry.changed, discarded=discard.changed)


def test_who_changes_a_run_at_the_same_time_is_waited_for() -> None:
    """A slice skips no run that somebody has locked: it would never come back to it."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")
    runs = world.make_runs(2)
    user = world.operator()
    action = world.act_on_all(user)
    locked, seen = threading.Event(), threading.Event()

    def hold() -> None:
        from django.db import transaction

        with transaction.atomic():
            TaskRun.objects.select_for_update().get(pk=runs[0].pk)
            locked.set()
            seen.wait(1)

    def act() -> None:
        locked.wait(30)
        acting.do_slice(action, user, now=timezone.now())
        seen.set()

    at_once(hold, act)

    assert world.outcomes(action) == {"changed": 2}
