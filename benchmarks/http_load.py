"""Starts the web processes that are measured, and sends prepared HTTP requests over several kept
connections, with as little work as possible: the machine's cores belong to the server."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Load:
    """What the server took."""

    seconds: float
    waits: Sequence[float]
    """Seconds of each request, sorted."""

    @property
    def per_second(self) -> float:
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        """Seconds in which this share of the requests was answered."""
        return self.waits[min(len(self.waits) - 1, int(len(self.waits) * share))]


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """One POST request, as it is sent."""
    told = {"Host": HOST, "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def send(port: int, requests: Iterable[bytes], *, connections: int, expected: int) -> Load:
    """Send requests, each on whichever connection is free. Raises for another status."""
    return asyncio.run(_send(port, iter(requests), connections, expected))


async def _send(port: int, requests: Iterator[bytes], connections: int, expected: int) -> Load:
    started = time.perf_counter()
    waits = await asyncio.gather(
        *(_connection(port, requests, expected) for _ in range(connections))
    )
    seconds = time.perf_counter() - started
    return Load(seconds, sorted(wait for each in waits for wait in each))


async def _connection(port: int, requests: Iterator[bytes], expected: int) -> list[float]:
    waits: list[float] = []
    reader = writer = None
    for raw in requests:
        if writer is None:
            reader, writer = await asyncio.open_connection(HOST, port)
        assert reader is not None
        started = time.perf_counter()
        writer.write(raw)
        status, closes = await _answer(reader)
        waits.append(time.perf_counter() - started)
        if status != expected:
            raise RuntimeError(f"answered {status}, not {expected}")
        if closes:
            writer.close()
            writer = None
    if writer is not None:
        writer.close()
    return waits


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Status of an answer, and whether the server closes the connection after it."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return int(head.split(None, 2)[1]), b"\r\nconnection: close" in head


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
        options = f"--bind {HOST}:{port} --workers {PROCESSES} --threads 4 --preload"
        options += " --worker-class zhilian.gunicorn_worker.BufferingWorker --no-control-socket"
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
