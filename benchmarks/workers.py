"""Starts the measured workers, and waits until they are done."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from neural.models import RunState, TaskRun

HIGH = ("high", "high_priority", 1)
ALL = ("all", "high_priority,default,low_priority", 2)
"""A worker's name, queues and number of pool processes."""


@contextmanager
def workers(*kinds: tuple[str, str, int]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Workers that run during the block and are stopped gracefully at its end."""
    started = [_worker(*kind) for kind in kinds]
    try:
        yield started
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def _worker(name: str, queues: str, concurrency: int) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "manage.py", "worker", "--name", name, "--queues", queues]
    return subprocess.Popen([*command, "--concurrency", str(concurrency)], stdout=sys.stderr)


def wait_until_done(**filters: object) -> None:
    """Wait until no run is left."""
    left = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING), **filters)
    while left.exists():
        time.sleep(0.2)
