"""Measures the memory of all processes of `manage.py up`, and how soon they answer.

    python -m benchmarks.memory

Starts `manage.py up` on SQLite in a temporary directory and does one thing after another: opens the
login, records events and waits for all that follows from them, searches in the admin, and rebuilds
the index of dishes. Prints JSON: after each of them the MiB of every program, as the sizes of its
processes, its own first. The sizes are proportional (PSS): of a page of memory that n processes
share, each has 1/n. Besides: processor seconds and MiB of a process that only sets Django up, and
milliseconds of the first two pages.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

from benchmarks.machine import QUICK, children, machine

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = {"gunicorn": "web", "high ": "high", "all ": "all", "beat": "beat", "valkey": "broker"}
"""What a command line has in it, and the program's name."""
SET_UP = """
import django, json, time
django.setup()
with open("/proc/self/smaps_rollup") as file:
    size = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
print(json.dumps({"seconds": round(time.process_time(), 2), "MiB": round(size / 1024)}))
"""
SUBMIT = """
import django, sys, time
django.setup()
from benchmarks.load.events import submit_all
from neural.management.teaching import quiet_ledger
from neural.models import RunState, TaskRun
from neural.retrieval.models import OutboxEntry
dish = {"type": "dish.updated", "store": "S1", "source": "memory"}
numbers = range(int(sys.argv[1]))
with quiet_ledger():
    submit_all(
        {**dish, "event_id": str(each), "payload": {"dish": f"d{each}", "name": f"Tofu {each}"}}
        for each in numbers
    )
open_ = TaskRun.objects.filter(state__in=(RunState.PENDING, RunState.RUNNING))
while open_.exists() or OutboxEntry.objects.exists():
    time.sleep(0.5)
"""
REST_SECONDS = 0 if QUICK else 10


def main() -> None:
    options = argparse.ArgumentParser(description="The memory of all processes of manage.py up.")
    options.add_argument("--events", type=int, default=10_000)
    events = options.parse_args().events
    with tempfile.TemporaryDirectory(prefix="neural-bench-") as folder:
        if QUICK:
            shutil.copytree(QUICK, folder, dirs_exist_ok=True)
        for name in ("DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
            os.environ.pop(name, None)
        os.environ |= {"ZHILIAN_VAR": folder, "ZHILIAN_ENV_FILE": "", "PYTHONPATH": str(ROOT)}
        os.environ["DJANGO_SETTINGS_MODULE"] = "zhilian.settings"
        figures = {"machine": machine(), "django.setup": json.loads(_python("-c", SET_UP))}
        figures |= _measure(Path(folder, "output"), events)
    json.dump(figures, sys.stdout, indent=2)
    print()


def _python(*arguments: str) -> bytes:
    return subprocess.check_output([sys.executable, *arguments], cwd=ROOT)


def _measure(output: Path, events: int) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "manage.py", "up", "--port", str(port)]
    with output.open("wb") as file:
        up = subprocess.Popen(command, stdout=file, stderr=sys.stderr, cwd=ROOT)
    try:
        _wait_for_all(up, output)
        site = Site(f"http://127.0.0.1:{port}/admin")
        figures: dict[str, Any] = {"pages_ms": [site.login_ms(), site.login_ms()]}
        password = re.findall(r"password (\S+)", output.read_text())[0]
        for what, do in {
            "at rest": lambda: None,
            "after events": lambda: _python("-c", SUBMIT, str(events)),
            "after a search": lambda: site.search("tofu", password),
            "after a rebuild": lambda: _python("manage.py", "rebuild_index", "dishes"),
        }.items():
            do()
            time.sleep(REST_SECONDS)
            figures[what] = _sizes(up.pid)
    finally:
        up.terminate()
        up.wait()
    return figures


def _wait_for_all(up: "subprocess.Popen[bytes]", output: Path) -> None:
    ready = ("high@", "all@", "beat: Starting", "Booting worker")
    while not all(each in output.read_text() for each in ready):
        if up.poll() is not None:
            raise RuntimeError(output.read_text())
        time.sleep(0.1)


class Site:
    """The admin, as a browser sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._browser = build_opener(HTTPCookieProcessor())

    def login_ms(self) -> int:
        """Milliseconds that the page of the login takes."""
        began = time.perf_counter()
        self._open("/login/")
        return round(1000 * (time.perf_counter() - began))

    def search(self, words: str, password: str) -> None:
        """Log in and search."""
        token = re.findall(r'csrfmiddlewaretoken" value="(\w+)', self._open("/login/"))[0]
        form = {"username": "admin", "password": password, "csrfmiddlewaretoken": token}
        self._open("/login/?next=/admin/", urlencode(form).encode())
        found = self._open(f"/neural_retrieval/search/?q={words}")
        assert "Tofu" in found, found

    def _open(self, path: str, form: bytes | None = None) -> str:
        with self._browser.open(self.address + path, form) as page:
            return str(page.read().decode())


def _sizes(supervisor: int) -> dict[str, Any]:
    """MiB by program: its own process and those that it has started."""
    found = {"supervisor": [_size(supervisor)]}
    for process in children(supervisor):
        line = Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
        name = next(name for part, name in PROGRAMS.items() if part in line)
        found[name] = [_size(each) for each in (process, *children(process))]
    return {"in all": sum(map(sum, found.values())), **found}


def _size(process: int) -> int:
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    kilobytes = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return round(kilobytes / 1024)


if __name__ == "__main__":
    main()
