"""Most messages of single events come late; they are got rid of where they arrive."""

import threading
from collections import Counter

import pytest
from celery import Celery

from neural.models import TaskRun
from tests.integration.cluster import PATIENT, client, expect_once, wait_for_runs
from tests.integration.submitting import names, submit
from tests.watching import wait_until

pytestmark = [pytest.mark.integration, pytest.mark.sqlite]

EVENTS = names("event", 150)
# However busy the machine is, a delivery that is not full has done what was due.
AMPLE = {"batch_claim_seconds": 30}


@pytest.fixture
def backlog(cluster, patient):
    """Single events, each with its message, and no worker yet."""
    for key in EVENTS:
        submit(key)
    wait_until(lambda: cluster.message_count() >= len(EVENTS), 60)


def unacknowledged(cluster) -> int:
    with client(cluster.broker) as it:
        return it.hlen("unacked") if hasattr(it, "hlen") else 0  # RabbitMQ does not say


def wait_until_no_message_is_left(cluster) -> None:
    wait_until(lambda: not cluster.message_count() and not unacknowledged(cluster), 180)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_they_reach_no_process_of_the_pool(cluster, backlog, pool):
    # One process: another would be given messages of runs that the first has under way.
    worker = cluster.worker(pool=pool, concurrency=1, **AMPLE)

    wait_for_runs()
    wait_until_no_message_is_left(cluster)

    expect_once(EVENTS)
    assert 0 < worker.text.count("] received") < len(EVENTS) / 3


@pytest.mark.faults
def test_processes_that_are_replaced_all_the_time_lose_nothing(cluster, backlog):
    """Each shares what those before it remembered, or did not come to remember."""
    cluster.worker(environment={"CELERY_WORKER_MAX_TASKS_PER_CHILD": "1"})

    wait_for_runs(seconds=900)  # a process for each message
    wait_until_no_message_is_left(cluster)

    expect_once(EVENTS)


class Listener:
    """Whoever hears the event stream."""

    def __init__(self, url: str) -> None:
        self.app = Celery(broker=url, set_as_current=False)
        self.heard: Counter[tuple[str, str]] = Counter()
        self.states: dict[str, str] = {}
        self.has_heard = threading.Event()
        """Set by the first event of all, such as a worker's heartbeat."""
        self._state = self.app.events.State()
        self._ended = threading.Event()

    def listen(self) -> None:
        with self.app.connection_for_read() as connection:
            receiver = self.app.events.Receiver(connection, handlers={"*": self._hear})
            while not self._ended.is_set():
                try:
                    receiver.capture(limit=None, timeout=0.5)
                except TimeoutError:
                    continue

    def _hear(self, event) -> None:
        self._state.event(event)
        self.has_heard.set()
        if event["type"].startswith("task-"):
            self.states[event["uuid"]] = self._state.tasks[event["uuid"]].state
            self.heard[event["uuid"], event["type"]] += 1  # last: the test waits for it

    def end(self) -> None:
        self._ended.set()


@pytest.fixture
def listener(cluster):
    listener = Listener(cluster.broker.url)
    thread = threading.Thread(target=listener.listen)
    thread.start()
    yield listener
    listener.end()
    thread.join()


def test_the_event_stream_says_of_each_run_once_received_started_and_succeeded(
    cluster, listener, patient
):
    worker = cluster.worker(**AMPLE, **PATIENT)
    # A worker is ready before it has subscribed to what is broadcast.
    wait_until(lambda: listener.app.control.ping(timeout=5, limit=1), 60)
    listener.app.control.enable_events()
    wait_until(lambda: "Events of group {task} enabled by remote" in worker.text, 60)
    assert listener.has_heard.wait(60)

    for key in EVENTS[:45]:  # fewer than a full delivery, which would send a second message
        submit(key)
    wait_for_runs()
    wait_until_no_message_is_left(cluster)

    runs = TaskRun.objects.values_list("task_id", flat=True)
    said = ("task-received", "task-started", "task-succeeded")
    expected = {(run, kind): 1 for run in runs for kind in said}
    wait_until(lambda: len(listener.heard) == len(expected), 60)
    assert listener.heard == expected
    assert listener.states == dict.fromkeys(runs, "SUCCESS")
