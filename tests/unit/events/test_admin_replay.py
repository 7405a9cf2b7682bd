"""Replaying an event: runs for the handlers that it has missed."""

from collections.abc import Iterator

import pytest

import neural
from neural.events import registry
from neural.events.answers import EventPruned
from neural.events.recording import missing_handlers, replay
from neural.models import NeuralEvent
from tests.registries import forget
from tests.unit.admin import admin_world as world

pytestmark = pytest.mark.django_db


@pytest.fixture
def greeted() -> Iterator[list[str]]:
    """A handler that appears after the event was recorded."""
    calls: list[str] = []

    @neural.handles("feedback.received", name="tests.greet")
    def greet(event: NeuralEvent, data: object) -> None:
        calls.append(event.event_id)

    yield calls
    forget(registry.HANDLERS, "tests.greet")


def unhandled() -> NeuralEvent:
    return world.event(kind="feedback.received", payload={"text": "good"}, unhandled=True)


def test_an_unhandled_event_gets_the_run_of_a_handler_that_exists_now(greeted: list[str]) -> None:
    event = unhandled()

    (run,) = replay(event, requested_by="lee")
    neural.run_due()

    event.refresh_from_db()
    assert greeted == ["e1"]
    assert not event.unhandled
    assert (run.handler, run.queue, run.priority) == ("tests.greet", "default", 5)
    assert (run.store_id, run.requested_by) == ("S1", "lee")


def test_a_handler_that_has_a_run_gets_no_second_one(greeted: list[str]) -> None:
    event = unhandled()
    world.run("dead", event=event, handler="tests.greet")

    assert replay(event) == []
    assert event.runs.count() == 1


def test_replaying_twice_makes_one_run(greeted: list[str]) -> None:
    event = unhandled()

    assert len(replay(event)) == 1
    assert replay(event) == []


def test_an_event_that_still_has_no_handler_stays_unhandled() -> None:
    event = unhandled()

    assert replay(event) == []

    event.refresh_from_db()
    assert event.unhandled


def test_an_event_whose_payload_was_pruned_is_refused(greeted: list[str]) -> None:
    event = unhandled()
    event.payload = None

    with pytest.raises(EventPruned):
        replay(event)


def test_missing_are_the_handlers_of_the_type_that_have_no_run(greeted: list[str]) -> None:
    event = unhandled()
    assert missing_handlers(event) == ["tests.greet"]

    replay(event)

    assert missing_handlers(event) == []
