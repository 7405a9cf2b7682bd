"""A real worker meets an event that nobody can read, and messages that are no events."""

import pytest
from celery import Celery
from django.db import connection

from neural.models import NeuralEvent, RefusedEvent, RunState, TaskRun
from neural.tasks import process_neural_event
from tests.integration.cluster import expect_once
from tests.integration.submitting import names, submit_together
from tests.watching import wait_until

pytestmark = pytest.mark.integration

EVENTS = names("event", 40)
LEVELS = 990  # SQLite keeps no more than 1,000


def make_unreadable(key):
    """As a release that did not look has recorded it."""
    deep = "[" * LEVELS + "]" * LEVELS
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE neural_neuralevent SET payload = %s WHERE event_id = %s", [deep, key]
        )


def send(url, task_id, **arguments):
    """A plain client knows names and queues, and nothing else."""
    with Celery(broker=url, set_as_current=False) as client:
        client.send_task(
            process_neural_event.name, kwargs=arguments, task_id=task_id, queue="default"
        )


def test_one_event_freezes_no_neighbour_and_what_is_refused_is_seen(cluster):
    submit_together(EVENTS)
    make_unreadable(EVENTS[7])
    about = {"event_type": "order.created", "event_source": "till", "store_id": "S1"}
    send(cluster.broker.url, "m1", event_id="bad", data={"order_id": "1"}, **about)
    send(cluster.broker.url, "m2", event_id="no data", **about)

    worker = cluster.worker(concurrency=2)
    wait_until(lambda: RefusedEvent.objects.count() == 2, 150)
    wait_until(lambda: not TaskRun.objects.filter(state__in=["pending", "running"]).exists(), 150)

    expect_once(EVENTS[:7] + EVENTS[8:])
    reasons = dict(TaskRun.objects.filter(state=RunState.DEAD).values_list("task_id", "error"))
    of_event = TaskRun.objects.get(event__event_id=EVENTS[7]).task_id
    assert reasons.keys() == {of_event, "m1", "m2"}
    assert "the payload of its event cannot be read" in reasons[of_event]
    seen = RefusedEvent.objects.order_by("event_id").values_list(
        "event_id", "store_code", "entry_point"
    )
    assert list(seen) == [("bad", "S1", "message"), ("no data", "S1", "message")]
    assert NeuralEvent.objects.count() == len(EVENTS)
    assert worker.is_running
