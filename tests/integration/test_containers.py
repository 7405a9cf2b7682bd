"""What compose.yaml has its containers do, done by processes of this machine: prepared, started in
order, asked for their health, given work, and stopped as a container is.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ports import HOST, free_port
from tests.watching import wait_until

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "container"
COMPOSED = yaml.safe_load((CONTAINER / "compose.yaml").read_text())["services"]
PROGRAMS = ("worker-high", "worker-all", "beat", "web")
EVENT = ("--type", "order.created", "--store", "S01", "--source", "till", "--event-id", "1")
PAYLOAD = '{"order_id": "A-17", "currency": "CNY", "lines": []}'

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.takes(seconds=60),
    pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed"),
]


class Machine:
    """Runs what a container would run, with paths and ports of this machine."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.started = directory, {}
        self.web, self.redis = free_port(), free_port()
        shutil.copy(CONTAINER / "secrets.sh", directory)
        subprocess.run(["sh", str(directory / "secrets.sh")], check=True)
        self.secrets = directory / "secrets"
        (self.secrets / "database_url").write_text(f"sqlite:///{directory / 'zhilian.sqlite3'}")
        broker = (self.secrets / "broker_url").read_text()
        (self.secrets / "broker_url").write_text(broker.replace("redis:6379", self.address))

    @property
    def address(self) -> str:
        return f"{HOST}:{self.redis}"

    def here(self, text: str) -> str:
        meant = {
            "/opt/zhilian/.venv/bin/python": sys.executable,
            "0.0.0.0:8000": f"{HOST}:{self.web}",
            "127.0.0.1:8000": f"{HOST}:{self.web}",
            "/run/secrets": str(self.secrets),
            "$$": "$",
        }
        for written, instead in meant.items():
            text = text.replace(written, instead)
        return text

    def environment(self) -> dict[str, str]:
        ours = ("DJANGO_", "ZHILIAN_", "NEURAL_", "CELERY_", "DATABASE_", "PYTEST_")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        written = COMPOSED["web"]["environment"]
        secret = {name: self.here(value) for name, value in written.items() if "_FILE" in name}
        var = {"ZHILIAN_VAR": str(self.directory / "var"), "ZHILIAN_ENV_FILE": ""}
        return {**kept, **secret, **var, "CELERY_WORKER_CONCURRENCY": "1"}

    def options(self) -> dict[str, Any]:
        return {"cwd": ROOT, "env": self.environment()}

    def start(self, name: str, *more: str) -> None:
        command = [*map(self.here, COMPOSED[name]["command"]), *more]
        with (self.directory / f"{name}.log").open("w") as log:
            self.started[name] = subprocess.Popen(command, stdout=log, stderr=log, **self.options())

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, check=False, capture_output=True, text=True, **self.options()
        )

    def is_healthy(self, name: str) -> bool:
        kind, *test = map(self.here, COMPOSED[name]["healthcheck"]["test"])
        if kind == "CMD-SHELL":
            test = ["sh", "-c", *test]
        if name == "redis":
            test[1:1] = ["-p", str(self.redis)]
        return self.run(*test).returncode == 0

    def stop(self, name: str) -> int:
        """As a container is stopped: the first process alone is told."""
        process = self.started[name]
        process.send_signal(signal.SIGTERM)
        return process.wait(int(COMPOSED[name]["stop_grace_period"].removesuffix("s")))

    def succeeded(self) -> int:
        with sqlite3.connect(self.directory / "zhilian.sqlite3") as opened:
            asked = "SELECT count(*) FROM neural_taskrun WHERE state = 'succeeded'"
            (found,) = opened.execute(asked).fetchone()
        opened.close()
        return found


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for process in made.started.values():
        if process.poll() is None:
            process.kill()
            process.wait()


def test_what_compose_starts_is_healthy_works_and_ends_softly(machine):
    assert not machine.is_healthy("redis")
    machine.start("redis", "--port", str(machine.redis), "--dir", str(machine.directory))
    wait_until(lambda: machine.is_healthy("redis"), 60)

    prepared = machine.run(*map(machine.here, COMPOSED["prepare"]["command"]))
    assert prepared.returncode == 0, prepared.stderr
    assert not machine.is_healthy("web")
    for name in PROGRAMS:
        machine.start(name)
    for name in ("web", "worker-high", "worker-all"):
        wait_until(lambda name=name: machine.is_healthy(name), 120)

    manage = (sys.executable, "manage.py")
    submitted = machine.run(*manage, "submit_event", *EVENT, "--payload", PAYLOAD)
    assert submitted.returncode == 0, submitted.stderr
    wait_until(machine.succeeded, 60)

    assert {name: machine.stop(name) for name in PROGRAMS} == dict.fromkeys(PROGRAMS, 0)
    assert machine.stop("redis") == 0
