"""Forks Celery workers from a process that has already imported their libraries.

Half of the processor time of a worker's start goes into importing Django, Celery and what they
need, and most tests start a worker or two. Each worker imports this project's own code itself, once
it has its environment.

    python -m tests.integration.launcher SOCKET

The launcher imports nothing of this project. A client connects and sends one line of JSON. It gets
back the worker's process id, and at the worker's end its exit code. A process beside each worker
waits for it. All of them end with the process that asked.
"""

import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import time
from contextlib import suppress

LIBRARIES = (
    "celery.app.base",
    "click_repl",
    "cron_descriptor",
    "cryptography.fernet",
    "django.contrib.admin.helpers",
    "django.contrib.staticfiles.storage",
    "django.core.management.commands.makemigrations",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.db.models",
    "django.template.defaulttags",
    "django.views.debug",
    "django.views.generic",
    "environ",
    "holidays.countries",
    "humanize",
    "kombu.transport.redis",
    "numpy.typing",
    "prometheus_client",
    "psycopg",
    "pydantic.functional_validators",
    "pydantic.json_schema",
    "pydantic.main",
    "pydantic.type_adapter",
    "tornado.httpserver",
    "tornado.web",
    "whitenoise.middleware",
)
"""Libraries of a worker that read neither settings nor the environment when they are imported.
billiard is left out: `zhilian.celery` must set REMAP_SIGTERM before it is imported."""
PR_SET_PDEATHSIG = 1


def main(address: str) -> None:
    """Serve until this process is killed."""
    for name in LIBRARIES:
        with suppress(ModuleNotFoundError):
            importlib.import_module(name)
    gc.freeze()  # no worker's garbage collection looks through the libraries again
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the waiting processes' exit codes do not matter
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{address}.new")
        listening.listen()
        os.rename(f"{address}.new", address)  # visible only once it listens
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _look_after_worker(connection)
            connection.close()


def _look_after_worker(connection: socket.socket) -> None:
    _end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection.makefile("r") as lines:
        asked = json.loads(lines.readline())
    pid = os.fork()
    if pid == 0:
        connection.close()
        _end_with_parent()
        _become_worker(**asked)
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _become_worker(arguments: list[str], environment: dict[str, str], log: str) -> None:
    os.setsid()
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
        (2, log, os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags, 0o644), number)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    random.seed()
    sys.argv = ["celery", *arguments]
    from celery.__main__ import main as celery

    sys.exit(celery())


if __name__ == "__main__":
    main(sys.argv[1])
