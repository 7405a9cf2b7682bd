"""Erasing a person waits for the runs at work: they may write what they had read before."""

import itertools
from typing import Any

import pytest
from django.core.management import CommandError
from django.utils import timezone

import neural
from neural.models import AuditEntry, AuditOutcome, RunState, TaskRun
from neural.personal.erasing import tables as under_way
from neural.personal.erasing.tables import erase
from neural.restaurant.models import Order
from tests.unit.admin import admin_world as world
from tests.unit.personal.test_erase_person import PHONE, erased, found, person

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(django_user_model: Any) -> Any:
    return django_user_model.objects.create_superuser("anna")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Between two looks, a function of the test is called, and a second passes."""
    seconds = itertools.count()
    monkeypatch.setattr(under_way, "monotonic", lambda: next(seconds))

    def calls(function: Any) -> None:
        monkeypatch.setattr(under_way, "sleep", lambda _seconds: function())

    return calls


def a_run_at_work(at: str = "S1") -> TaskRun:
    return world.run(RunState.RUNNING, store=world.store(at) if at else None, task_id=f"at {at}")


def ends(**changes: Any) -> None:
    state = {"state": RunState.SUCCEEDED, "finished_at": timezone.now(), **changes}
    TaskRun.objects.filter(state=RunState.RUNNING).update(**state)


def submitted() -> None:
    neural.submit(
        type="order.created", store="S1", source="till", event_id="1", payload={"phone": PHONE}
    )
    world.event(event_id="2", payload={"phone": PHONE})


def test_what_a_run_writes_that_had_read_the_person_before_is_erased_when_it_has_ended(
    anna: Any, looks: Any
) -> None:
    submitted()
    run = a_run_at_work()

    def ends_late() -> None:
        Order.objects.create(store=run.store, key="A-17", note=f"call {PHONE}")
        ends(result={"phone": PHONE})

    looks(ends_late)

    erased(wait=60)

    assert Order.objects.get().note == "call [erased]"
    assert found() == 0


def test_it_waits_also_when_a_command_that_was_killed_has_erased_all(anna: Any, looks: Any) -> None:
    a_run_at_work()
    looks(lambda: ends(result={"phone": PHONE}))

    erased(wait=60)

    assert TaskRun.objects.get().result == {"phone": "[erased]"}


def test_an_attempt_that_was_given_up_is_not_waited_for(anna: Any, looks: Any) -> None:
    """Its fencing token is no longer valid, so it writes nothing; the next one reads what is
    erased."""
    submitted()
    a_run_at_work()
    looks(lambda: TaskRun.objects.filter(state=RunState.RUNNING).update(token=8))

    erased(wait=60)

    assert TaskRun.objects.filter(state=RunState.RUNNING).get().token == 8


def test_runs_that_do_not_end_in_time_are_told_and_the_command_fails(anna: Any, looks: Any) -> None:
    submitted()
    a_run_at_work()
    looks(lambda: None)

    with pytest.raises(CommandError, match="1 runs are still under way") as failed:
        erased(wait=5)

    assert failed.value.returncode == 1
    assert found() == 0
    finished = AuditEntry.objects.get(details__step="finished")
    assert (finished.outcome, finished.details["under_way"]) == (AuditOutcome.FAILED, 1)


def test_the_runs_of_another_store_are_not_waited_for(anna: Any) -> None:
    submitted()
    a_run_at_work("S2")

    erased(store="S1")

    assert list(under_way.runs_under_way("S1")) == []


def test_runs_of_no_store_may_know_the_people_of_any() -> None:
    run = a_run_at_work("")

    assert list(under_way.runs_under_way("S1")) == [run.pk]


def test_runs_that_began_after_the_person_was_erased_are_not_waited_for(anna: Any) -> None:
    submitted()
    waited: list[Any] = []
    steps = erase(person(), dry_run=False, wait_for=waited.append)

    for _step in steps:
        if len(waited) == 1 and not TaskRun.objects.running().exists():
            a_run_at_work()

    assert waited == [{}]
