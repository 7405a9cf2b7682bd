"""`manage.py up` runs all of it, and ends with nothing left behind."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ports import free_port
from tests.watching import descendants, is_alive, wait_until

pytestmark = [pytest.mark.integration, pytest.mark.once]

ROOT = Path(__file__).parents[2]


class Up:
    """`manage.py up` with a state directory of its own, on SQLite and the embedded broker."""

    def __init__(self, var: Path) -> None:
        self.port = free_port()
        self.var = var
        self.output = var.parent / "output"
        ours = {"DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
        environment = {k: v for k, v in os.environ.items() if k not in ours}
        with self.output.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-u", "manage.py", "up", "--port", str(self.port)],
                env={**environment, "ZHILIAN_VAR": str(var), "ZHILIAN_ENV_FILE": "",
                     "DJANGO_SETTINGS_MODULE": "zhilian.settings"},
                stdout=file, stderr=file, cwd=ROOT,
            )  # fmt: skip

    def said(self, pattern: str) -> re.Match[str] | None:
        return re.search(pattern, self.output.read_text())

    def is_ready(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        ready = (r"high@\S+ ready", r"all@\S+ ready", "beat: Starting", "Booting worker")
        return all(map(self.said, ready))


@pytest.fixture
def up(tmp_path) -> Iterator[Up]:
    running = Up(tmp_path / "var")
    try:
        wait_until(running.is_ready, seconds=240)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_it_serves_the_admin_and_stops_with_no_orphan(up):
    address = f"http://127.0.0.1:{up.port}/admin/login/"
    with urllib.request.urlopen(address, timeout=90) as page:
        assert b"csrfmiddlewaretoken" in page.read()
    assert up.said(r"login admin, password \S{12,}")
    logs = {path.name: path.read_text() for path in (up.var / "log").iterdir()}
    assert set(logs) == {"web.log", "high.log", "worker.log", "beat.log", "up.log"}
    assert "event=worker_ready" in logs["high.log"]
    assert "high@" not in logs["worker.log"]
    assert up.said(r"high +\| .*event=worker_ready")
    assert not any("password" in text for text in logs.values())
    family = descendants(up.process.pid)

    up.process.send_signal(signal.SIGTERM)

    assert up.process.wait(90) == 0
    wait_until(lambda: not any(map(is_alive, family)))  # what was killed needs a moment
    assert "Traceback" not in up.output.read_text()


def test_the_supervisor_has_loaded_neither_django_nor_celery():
    code = "import sys, zhilian.supervision.__main__; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    ).stdout.split()

    assert "zhilian.supervision.processes" in loaded
    assert not {"django", "celery", "neural"} & set(loaded)


def test_killed_outright_it_leaves_no_orphan(up):
    family = descendants(up.process.pid)

    up.process.kill()

    wait_until(lambda: not any(map(is_alive, family)))


def test_a_busy_port_is_named_in_a_sentence(up):
    taken = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(up.port)],
        capture_output=True, text=True, cwd=ROOT, timeout=120, check=False,
    )  # fmt: skip

    assert taken.returncode == 1
    assert f"Port {up.port} on 127.0.0.1 cannot be used" in taken.stderr
    assert "Traceback" not in taken.stderr
