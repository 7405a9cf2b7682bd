"""The test's side of `tests.integration.launcher`: the launcher and the workers it started."""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.watching import wait_until
from zhilian.supervision.die_with_parent import dying_with_parent

ROOT = Path(__file__).parents[2]


class Launcher:
    """The launcher process, which starts workers on request."""

    def __init__(self, address: Path) -> None:
        self._address = address
        command = [sys.executable, "-m", "tests.integration.launcher", str(address)]
        self._process = subprocess.Popen(
            dying_with_parent(command),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: address.exists() or self._process.poll() is not None, 180)
        assert self._process.poll() is None, "the launcher of workers ended"

    def start(self, arguments: list[str], environment: dict[str, str], log: Path) -> "Launched":
        log.touch()
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self._address))
        asked = {"arguments": arguments, "environment": environment, "log": str(log)}
        return Launched(connection, asked)


class Launched:
    """A worker, with the interface of `subprocess.Popen`."""

    def __init__(self, connection: socket.socket, asked: dict[str, Any]) -> None:
        self.returncode: int | None = None
        self._connection = connection
        self._connection.sendall(json.dumps(asked).encode() + b"\n")
        self._answers = self._connection.makefile("r")
        self.pid = int(self._answers.readline())

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._connection], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("celery worker", timeout or 0)
            self.returncode = int(self._answers.readline() or -signal.SIGKILL)
            self._answers.close()
            self._connection.close()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)
