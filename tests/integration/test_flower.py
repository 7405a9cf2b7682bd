"""Flower shows our workers and what became of every run, and shows it to nobody else."""

import base64
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from neural.models import TaskRun
from tests.integration.cluster import PATIENT, ROOT, Cluster, Worker, wait_for_runs
from tests.integration.submitting import names, submit
from tests.ports import free_port
from tests.watching import wait_until
from zhilian.supervision.die_with_parent import dying_with_parent

pytestmark = pytest.mark.integration
once = pytest.mark.once  # of its own door alone

LOGIN = "looker:secret"


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "zhilian", "flower", *options]


class Flower:
    """Flower on the cluster's broker."""

    def __init__(self, cluster: Cluster, log: Path, **environment: str) -> None:
        self.port = free_port()
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                dying_with_parent(command(f"--port={self.port}")),
                cwd=ROOT,
                env=cluster.environment() | environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def get(self, path: str, login: str = LOGIN) -> bytes:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}")
        encoded = base64.b64encode(login.encode()).decode()
        request.add_header("Authorization", f"Basic {encoded}")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def api(self, path: str) -> dict:
        return json.loads(self.get(f"/api/{path}"))

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        with suppress(OSError):
            return self.get("/healthcheck") == b"OK"
        return False

    def has_heard_of(self, worker: Worker) -> bool:
        """Whether it receives the event stream: it knows the worker by nothing else."""
        return worker.row.name in self.api("workers?status=true")

    def workers(self) -> dict:
        """What the workers say of themselves within a second, which is as long as Flower waits."""
        with suppress(OSError):
            return self.api("workers?refresh=true")
        return {}

    def states(self) -> dict[str, str]:
        return {task_id: task["state"] for task_id, task in self.api("tasks?limit=1000").items()}


@pytest.fixture
def flower(cluster, tmp_path) -> Iterator[Flower]:
    running = Flower(cluster, tmp_path / "flower.log", FLOWER_BASIC_AUTH=LOGIN)
    try:
        wait_until(running.is_up, 120)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def wait_until_listened_to(worker: Worker, flower: Flower) -> None:
    told = "Events of group {task} enabled by remote"
    wait_until(lambda: told in worker.text and flower.has_heard_of(worker), 60)


def test_it_shows_workers_and_what_became_of_every_run(cluster, flower):
    """Also of those that were batched with another's message, which comes late."""
    # The retry comes long after the event of the failure, and no event is left out.
    worker = cluster.worker(concurrency=2, retry_base_seconds=5, retry_cap_seconds=5, **PATIENT)
    wait_until_listened_to(worker, flower)

    for key in names("event", 100):
        submit(key)
    submit("flaky", fail_times=1)
    submit("broken", permanent=True)

    expected = {"succeeded": "SUCCESS", "dead": "FAILURE"}
    wait_for_runs(state="dead", event__event_id="broken")
    wait_for_runs(event__event_id__in=[*names("event", 100), "flaky"])
    runs = {run.task_id: expected[run.state] for run in TaskRun.objects.all()}
    assert len(runs) == 102
    wait_until(lambda: flower.states() == runs, 60)

    broken = flower.api(f"task/info/{TaskRun.objects.get(event__event_id='broken').task_id}")
    assert "there is no use in trying again" in broken["exception"]
    assert broken["args"] == "probe.count"
    wait_until(lambda: "active_queues" in flower.workers().get(worker.row.name, {}), 60)
    [(name, shown)] = flower.api("workers").items()
    assert name == worker.row.name
    assert {queue["name"] for queue in shown["active_queues"]} == {
        "high_priority",
        "default",
        "low_priority",
    }


def test_a_run_that_waits_for_its_next_attempt_is_shown_as_a_retry(cluster, flower):
    rare = {"retry_base_seconds": 600, "retry_cap_seconds": 600}
    worker = cluster.worker(concurrency=1, **rare, **PATIENT)
    wait_until_listened_to(worker, flower)

    submit("flaky", fail_times=1)

    wait_for_runs(state="pending", failures=1)
    task_id = TaskRun.objects.get().task_id
    wait_until(lambda: flower.states() == {task_id: "RETRY"}, 60)
    assert "failure 1 of 1" in flower.api(f"task/info/{task_id}")["exception"]


@once
def test_it_listens_on_this_machine_alone_and_asks_for_its_password(cluster, flower):
    assert f"Visit me at http://127.0.0.1:{flower.port}" in flower.log.read_text()
    for path in ("/", "/tasks", "/api/workers"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            flower.get(path, login="looker:wrong")
        refused.value.close()
        assert refused.value.code == 401


@once
@pytest.mark.parametrize(
    ("options", "environment"),
    [
        (["--address=0.0.0.0"], {}),
        (["--address=::"], {}),
        (["--url-prefix=flower"], {}),
        ([], {"FLOWER_ADDRESS": "0.0.0.0"}),
        ([], {"FLOWER_XHEADERS": "true"}),
    ],
    ids=str,
)
def test_for_others_it_does_not_start_without_a_password(cluster, options, environment):
    refused = subprocess.run(
        command(f"--port={free_port()}", *options),
        cwd=ROOT,
        env=cluster.environment() | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert refused.returncode == 1
    assert "Set FLOWER_BASIC_AUTH=name:password" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_events_that_it_turned_on_can_be_turned_off(cluster, flower):
    worker = cluster.worker()
    wait_until_listened_to(worker, flower)
    flower.process.kill()

    celery = [sys.executable, "-m", "celery", "-A", "zhilian", "control"]
    said = subprocess.run(
        [*celery, "--destination", worker.row.name, "--timeout", "60", "disable_events"],
        cwd=ROOT,
        env=cluster.environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )

    assert "task events disabled" in said.stdout
