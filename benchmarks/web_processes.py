"""Starts the web processes that are measured."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.http_load import HOST

WAIT_FOR_SERVER = 60


@contextmanager
def web_processes() -> Iterator[tuple[int, Sequence[int]]]:
    """gunicorn as `manage.py up` starts it: its port and its two processes."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    options = f"--bind {HOST}:{port} --workers 2 --threads 4 --no-control-socket"
    command = [sys.executable, "-m", "gunicorn", "zhilian.wsgi", *options.split()]
    server = subprocess.Popen(command, stdout=sys.stderr)
    try:
        _wait_for(port, server)
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text()
        yield port, [int(each) for each in children.split()]
    finally:
        server.terminate()
        server.wait()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + WAIT_FOR_SERVER
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError("the web processes did not start")
