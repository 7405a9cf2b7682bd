"""A web process (gunicorn) on the test database that a test can start, kill and talk to."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import database_url
from tests.integration.cluster import ROOT
from tests.ports import HOST, free_port
from tests.watching import descendants, wait_until
from zhilian.supervision.die_with_parent import dying_with_parent


class Web:
    """gunicorn with the project's application."""

    def __init__(
        self,
        directory: Path,
        *,
        broker_url: str,
        workers: int = 2,
        environment: Mapping[str, str] | None = None,
        port: int | None = None,
        **neural,
    ) -> None:
        """``port`` is for one that takes the place of another."""
        self.port = port or free_port()
        self.log = directory / "web.log"
        settings = {f"NEURAL_{name.upper()}": str(value) for name, value in neural.items()}
        command = [sys.executable, "-m", "gunicorn", "zhilian.wsgi", "--no-control-socket"]
        command += ["--bind", f"{HOST}:{self.port}", "--workers", str(workers), "--threads", "4"]
        command += ["--worker-class", "zhilian.gunicorn_worker.BufferingWorker"]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                dying_with_parent(command),
                cwd=ROOT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "tests.settings",
                    "DATABASE_URL": database_url(),
                    "CELERY_BROKER_URL": broker_url,
                    **settings,
                    **(environment or {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> "Web":
        def answers() -> bool:
            with suppress(OSError):
                return self.request("GET", "/api/v1/nowhere")[0] == 404
            return False

        wait_until(lambda: answers() or self.process.poll() is not None, 240)
        assert self.process.poll() is None, self.log.read_text(errors="replace")[-4000:]
        return self

    @property
    def worker_ids(self) -> set[int]:
        return descendants(self.process.pid)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(HOST, self.port, timeout=120)

    def request(self, method, path, body=None, **headers) -> tuple[int, bytes]:
        """The status and the body of the answer."""
        connection = self.connection()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            connection.request(method, path, body, names)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL the whole server."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    @contextmanager
    def opened(self, path: str, key: str, content_type: str, *more: str, begun: bytes = b""):
        """A connection on which a request's headers have been sent, and ``begun`` of its body."""
        with socket.create_connection((HOST, self.port), timeout=120) as connection:
            lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"X-Api-Key: {key}"]
            lines += [f"Content-Type: {content_type}", *more, "", ""]
            connection.sendall("\r\n".join(lines).encode() + begun)
            yield connection


def answered_lines(raw: bytes) -> list[dict]:
    """The whole lines of JSON in what was received of a streamed answer."""
    found = []
    for line in raw.splitlines(keepends=True):
        if line.startswith(b"{") and line.endswith(b"\n"):
            with suppress(ValueError):
                found.append(json.loads(line))
    return found
