"""deploy/supervisor under PyPI's supervisor: starts, starts again, and stops without loss."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neural.models import AttemptOutcome, TaskAttempt, TaskRun, WorkerProcess
from tests.integration.cluster import ROOT, UNHURRIED, Cluster, expect_once, wait_for_runs
from tests.integration.submitting import names, submit, submit_together
from tests.ports import free_port
from tests.probe.models import Effect
from tests.watching import descendants, is_alive, wait_until
from zhilian.supervision.die_with_parent import dying_with_parent

pytestmark = pytest.mark.integration

PROGRAMS = ("worker-high", "worker-all", "beat", "web")
DAEMON = """\
[supervisord]
nodaemon=true
logfile={scratch}/supervisord.log
pidfile={scratch}/supervisord.pid
childlogdir={scratch}
[unix_http_server]
file={socket}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{socket}
[include]
files = {scratch}/zhilian.conf
"""


def shipped(scratch: Path, port: int) -> str:
    """deploy/supervisor/zhilian.conf with this checkout's paths, as the user of the test."""
    text = (ROOT / "deploy" / "supervisor" / "zhilian.conf").read_text()
    for path, here in (
        ("/opt/zhilian/.venv/bin/python", sys.executable),
        ("/opt/zhilian", str(ROOT)),
        ("/var/log/zhilian", str(scratch)),
        ("user=zhilian\n", ""),
        ("127.0.0.1:8000", f"127.0.0.1:{port}"),
    ):
        assert path in text
        text = text.replace(path, here)
    return text


class Supervisor:
    """supervisord with its programs on the cluster's database and broker."""

    def __init__(self, scratch: Path, environment: dict[str, str]) -> None:
        self.scratch = scratch
        self.configuration = scratch / "supervisord.conf"
        # A socket's path is limited to about 100 bytes.
        self.socket = Path(os.environ["ZHILIAN_VAR"], "supervisor.sock")
        self.configuration.write_text(DAEMON.format(scratch=scratch, socket=self.socket))
        (scratch / "zhilian.conf").write_text(shipped(scratch, free_port()))
        self.process = subprocess.Popen(
            dying_with_parent([self._program("supervisord"), "-c", str(self.configuration)]),
            env=environment,
            stdout=subprocess.DEVNULL,
        )

    def _program(self, name: str) -> str:
        return shutil.which(name, path=str(Path(sys.executable).parent)) or name

    def control(self, *arguments: str) -> str:
        return subprocess.run(
            [self._program("supervisorctl"), "-c", str(self.configuration), *arguments],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        ).stdout

    def states(self) -> dict[str, str]:
        lines = [line.split() for line in self.control("status").splitlines()]
        return {words[0]: words[1] for words in lines if words[0].startswith("zhilian:")}

    def are_all(self, state: str) -> bool:
        return self.states() == {f"zhilian:{name}": state for name in PROGRAMS}

    def pid(self, name: str) -> int:
        return int(self.control("pid", f"zhilian:{name}"))

    def written(self, name: str) -> str:
        return (self.scratch / f"{name}.log").read_text(errors="replace")

    def ready(self, name: str) -> int:
        return self.written(name).count("event=worker_ready")


@pytest.fixture
def supervisor(cluster: Cluster, tmp_path) -> Iterator[Supervisor]:
    # Far above what a busy machine makes a worker wait: only the dead shall be taken for it.
    quick = UNHURRIED | {"heartbeat_seconds": 0.3, "worker_lost_seconds": 8}
    environment = cluster.environment(**quick) | {"CELERY_WORKER_CONCURRENCY": "2"}
    running = Supervisor(tmp_path, environment)
    family: set[int] = set()
    try:
        wait_until(lambda: running.are_all("RUNNING"), 180)
        wait_until(lambda: running.ready("worker-all") and running.ready("worker-high"), 180)
        yield running
        family = descendants(running.process.pid)
    finally:
        running.process.terminate()
        try:
            running.process.wait(90)
        finally:
            running.process.kill()
    wait_until(lambda: not any(map(is_alive, family)))  # what was killed needs a moment


@pytest.mark.faults
def test_a_killed_worker_comes_back_and_its_run_with_it(cluster, supervisor):
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    before = supervisor.pid("worker-all")

    os.kill(before, signal.SIGKILL)

    wait_until(lambda: supervisor.ready("worker-all") == 2, 120)
    assert supervisor.pid("worker-all") != before
    cluster.open_gate("open")
    wait_for_runs()
    expect_once(["held"])
    assert (TaskRun.objects.get().losses, TaskRun.objects.get().failures) == (1, 0)


def test_a_graceful_stop_loses_nothing_and_counts_nothing(cluster, supervisor):
    keys = names("stop", 300)
    submit("held", kind="probe.two_step", gate="open")
    cluster.wait_for_start("held")
    submit_together(keys, seconds=0.005)
    wait_until(lambda: Effect.objects.exists(), 150)

    supervisor.control("stop", "zhilian:*")

    assert supervisor.are_all("STOPPED")
    assert not WorkerProcess.objects.filter(stopped_at=None).exists()
    assert not TaskRun.objects.filter(state="running").exists()
    assert set(TaskRun.objects.values_list("losses", "failures")) == {(0, 0)}
    assert {*TaskAttempt.objects.values_list("outcome", flat=True)} == {AttemptOutcome.RELEASED}
    cluster.open_gate("open")
    supervisor.control("start", "zhilian:*")
    wait_for_runs(seconds=180)
    expect_once(["held", *keys])
