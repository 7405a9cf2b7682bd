"""Starts the web processes that are measured."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.http_load import HOST

PROCESSES = 2
WAIT_FOR_SERVER = 60


@contextmanager
def web_processes() -> Iterator[tuple[int, Sequence[int]]]:
    """gunicorn as `manage.py up` starts it: its port and its two processes."""
    with socket.socket() as taken:
        # Kept, so that nobody else gets the port. gunicorn may listen on it all the same.
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((HOST, 0))
        port = taken.getsockname()[1]
        options = f"--bind {HOST}:{port} --workers {PROCESSES} --threads 4 --no-control-socket"
        command = [sys.executable, "-m", "gunicorn", "zhilian.wsgi", *options.split()]
        server = subprocess.Popen(command, stdout=sys.stderr)
        try:
            yield port, _started(port, server)
        finally:
            server.terminate()
            server.wait()


def _started(port: int, server: "subprocess.Popen[bytes]") -> Sequence[int]:
    """The processes, once there are all of them and the port is open."""
    deadline = time.monotonic() + WAIT_FOR_SERVER
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError):
            socket.create_connection((HOST, port), timeout=1).close()
            # gunicorn listens before it starts them.
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
            if len(children) == PROCESSES:
                return [int(each) for each in children]
        time.sleep(0.1)
    raise RuntimeError("the web processes did not start")
