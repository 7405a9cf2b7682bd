"""A mass retry of dead runs: the command, the API, a bulk action and the list choose the same."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.core.management import call_command
from django.utils import timezone

from neural.models import BulkActionItem, BulkVerb, NeuralEvent, RunState, TaskRun
from neural.runs.acts import RUN_VERBS
from neural.runs.bulk.listeners import LISTENERS
from neural.worker.refusing import RefusedCall, keep_refused
from tests.unit.admin import admin_world as world
from tests.unit.api.api_reading_world import Caller
from tests.unit.factories import make_event, make_run
from tests.unit.runs import admin_bulk_world, bulk_world

pytestmark = pytest.mark.django_db

TASK = "app.task"
DEAD, PENDING = "dead", "pending"


@pytest.fixture(autouse=True)
def _dead_letters():
    """A dead run, one that a message requested, a refused message, one of which a part was kept,
    and one of an event whose payload was pruned."""
    for task_id, fields in {
        "plain": {},
        "by message": {"requested_by": "celery message", "started_at": timezone.now()},
        "in part": {"options": {"refused": True}},
        "pruned": {"event": make_event()},
    }.items():
        make_run(DEAD, **{"task": TASK, "error": "no", **fields, "task_id": task_id})
    NeuralEvent.objects.update(pruned_at=timezone.now())
    call = {"task": TASK, "task_id": "refused", "sent_id": "refused"}
    refused = RefusedCall(**call, queue="default", priority=5, reason="no such argument")
    keep_refused(refused, lambda refused, row: None)


def by_command(capsys: Any) -> int:
    call_command("retry_runs", "--task", TASK, "--yes")
    (number,) = re.findall(
        r"(\d+) more runs? (?:is|are) left out: refused", capsys.readouterr().out
    )
    return int(number)


def by_api(capsys: Any) -> int:
    return Caller().post("runs/retry", {"task": TASK}).json()["refused"]


def of_action(action: Any) -> int:
    bulk_world.finish(action)
    unfit = BulkActionItem.objects.filter(action=action, detail="refused")
    assert action.unfit == 3  # the event's as well
    return unfit.count()


def by_bulk_action(capsys: Any) -> int:
    params = {"period": "all", "work": TASK}
    return of_action(bulk_world.act_on_all(bulk_world.operator(), params=params))


def by_list(capsys: Any) -> int:
    client = admin_bulk_world.operator()
    params = {"work": TASK, "state": DEAD}
    shown = client.get(admin_bulk_world.PREVIEW, {"verb": "retry", "period": "all", **params})
    assert "5 runs match" in shown.content.decode()
    assert "2 of those that were counted" in shown.content.decode()
    return of_action(admin_bulk_world.begin(client, **params))


def pending() -> set[str]:
    runs = TaskRun.objects.filter(state=PENDING, task=TASK)
    return set(runs.values_list("task_id", flat=True))


MASS = pytest.mark.parametrize("way", [by_command, by_api, by_bulk_action, by_list])


@MASS
def test_all_ways_of_a_mass_retry_choose_the_same_and_count_refused_messages(way, capsys):
    left_out = way(capsys)

    assert pending() == {"plain", "by message"}
    assert left_out == 2


@MASS
def test_apps_are_told_of_the_same_runs_whatever_the_way(way, capsys, monkeypatch):
    told: list[tuple[str, int]] = []
    heard = lambda verb, keys: told.extend((verb, key) for key in keys)  # noqa: E731
    monkeypatch.setitem(LISTENERS._things, "a test", heard)

    way(capsys)

    retried = TaskRun.objects.filter(state=PENDING, task=TASK).order_by("pk")
    assert told == [("retry", run.pk) for run in retried]


def choosing_by_command(run: TaskRun) -> None:
    call_command("retry_runs", "--ids", run.task_id, "--yes")


def choosing_by_list(run: TaskRun) -> None:
    action = bulk_world.act_on_all(bulk_world.operator(), run_ids=[run.pk])
    bulk_world.finish(action)


def choosing_by_filter_of_its_id(run: TaskRun) -> None:
    params = {"period": "all", "run": run.task_id}
    bulk_world.finish(bulk_world.act_on_all(bulk_world.operator(), params=params))


def choosing_by_its_button(run: TaskRun) -> None:
    client = admin_bulk_world.operator()
    address = world.act_on(run, "retry")
    assert client.post(address).status_code == 302


CHOOSING = pytest.mark.parametrize(
    "way",
    [
        choosing_by_command,
        choosing_by_list,
        choosing_by_filter_of_its_id,
        choosing_by_its_button,
    ],
)


@CHOOSING
@pytest.mark.parametrize("task_id", ["refused", "in part"])
def test_a_refused_message_is_retried_if_it_is_chosen_itself(way, task_id):
    way(TaskRun.objects.get(task_id=task_id))

    assert pending() == {task_id}


@CHOOSING
def test_a_run_whose_payload_was_pruned_is_not_retried_even_if_it_is_chosen_itself(way):
    way(TaskRun.objects.get(task_id="pruned"))

    assert pending() == set()


@pytest.mark.parametrize("name", BulkVerb.values)
def test_a_verb_for_runs_is_described_once_for_all_ways(name):
    verb = RUN_VERBS[name]

    assert verb in admin.site._registry[TaskRun].verbs
    assert verb.permission in {f"neural.{code}" for code, _ in TaskRun._meta.permissions}
    assert callable(getattr(TaskRun.objects.all(), name))
    assert verb.needs_queue or callable(getattr(TaskRun, name))


@pytest.mark.parametrize("name", BulkVerb.values)
def test_the_states_of_a_verb_are_those_in_which_runs_are_changed(name):
    verb = RUN_VERBS[name]
    values = {"queue": "low_priority"} if verb.needs_queue else {}

    for state in RunState:
        many, one = (make_run(state) for _ in range(2))
        changed = getattr(TaskRun.objects.filter(pk=many.pk), name)(**values)
        assert changed == verb.fits(one) == (state in verb.states)
        assert verb.needs_queue or verb.apply(one, None) == verb.fits(many)
