"""`celery -A zhilian inspect …` and `control …`, as a person types them."""

import json

import pytest

from neural.models import RunState, TaskRun
from tests.integration.cluster import wait_for_runs
from tests.probe.canvas import add, hang
from tests.watching import wait_until

pytestmark = [
    pytest.mark.integration,
    pytest.mark.parametrize(
        "own_broker_server",
        ["own", pytest.param("rabbitmq", marks=pytest.mark.rabbitmq)],
        indirect=True,
    ),
]


def inspect(surface, *words: str):
    """What the one worker answers."""
    answers = json.loads(surface.ask("inspect", "--json", *words))
    ((_, answer),) = answers.items()
    return answer


@pytest.fixture
def at_work(surface):
    """A worker of one process with a run under way and another in its hands."""
    worker = surface.worker(
        concurrency=1, environment={**surface.environment, "PROBE_PREFETCH": "4"}
    )
    running = hang.delay("key", seconds=230)
    surface.cluster.wait_for_start("key")
    waiting = add.delay(1, 1)
    yield worker, running, waiting
    surface.cluster.open_gate("go-key")


def test_inspect_shows_runs_by_their_task_ids_with_their_arguments(surface, at_work):
    _, running, waiting = at_work

    wait_until(lambda: inspect(surface, "reserved"), 150)

    (active,) = inspect(surface, "active")
    reserved = inspect(surface, "reserved")[0]
    assert (active["id"], active["name"]) == (running.id, "probe.hang")
    assert "'key'" in active["args"]
    assert (reserved["id"], reserved["name"]) == (waiting.id, "probe.add")
    assert inspect(surface, "query_task", running.id)[running.id][0] == "active"
    assert inspect(surface, "query_task", waiting.id)[waiting.id][0] == "reserved"
    assert inspect(surface, "query_task", "nobody") == {}


def test_inspect_shows_the_worker_its_queues_and_its_tasks(surface, at_work):
    worker, *_ = at_work

    stats = inspect(surface, "stats")
    queues = inspect(surface, "active_queues")
    registered = inspect(surface, "registered")

    assert stats["pid"] == worker.pid
    assert stats["pool"]["max-concurrency"] == 1
    assert [queue["name"] for queue in queues] == ["high_priority", "default", "low_priority"]
    assert {"neural.tasks.process_neural_event", "probe.add"} <= set(registered)
    assert surface.ask("inspect", "ping").count("pong") == 1


def test_control_grows_the_pool(surface, at_work):
    surface.ask("control", "pool_grow", "1")

    assert at_work[2].get(timeout=60) == 2  # the other process takes what waited


def test_control_limits_a_tasks_rate(surface):
    surface.worker(concurrency=1)
    surface.ask("control", "rate_limit", "probe.add", "6/m")
    results = [add.delay(number, 0) for number in range(3)]

    assert results[0].get(timeout=60) == 0
    hang.apply_async(("other",), queue="high_priority")
    surface.cluster.open_gate("go-other")
    wait_for_runs(task="probe.hang")  # other tasks go on
    assert TaskRun.objects.filter(task="probe.add", state=RunState.PENDING).count() >= 1


def test_control_shuts_a_worker_down_and_what_it_held_is_released(surface, at_work):
    worker, *_ = at_work

    surface.type("control", "shutdown", answers=False)  # nobody is left to do so

    surface.cluster.open_gate("go-key")
    assert worker.process.wait(60) == 0
    assert worker.row.stopped_at
    assert TaskRun.objects.filter(state=RunState.RUNNING).count() == 0


def test_call_records_a_run_and_result_answers_for_it(surface):
    task_id = surface.type("call", "probe.add", "--args", "[1, 2]").strip()
    assert TaskRun.objects.get().task_id == task_id
    surface.worker()
    wait_for_runs()

    assert surface.type("result", task_id).strip() == "3"
