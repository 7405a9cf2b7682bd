"""Measures what the ledger adds to the start of a process.

    python -m benchmarks.start

Starts processes of two projects in turn. One has Django, its admin, Celery and django-celery-beat;
the other has `neural` as well, without the optional apps. Each process runs to one of the stages
below. Prints JSON: for both projects the median seconds of processor time and MiB of memory, and
the ratio of the second to the first.

``set up``: Django is set up and every task is known, as in a web process or a command.
``worker``: like a worker's main process, which imports Celery's program and worker, the transport
of Redis, and what each project adds to a worker at its start. Needs no broker.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.machine import machine

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = """
SECRET_KEY = "of a benchmark"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django_celery_beat",
    {app}
]
TEMPLATES = [{{"BACKEND": "django.template.backends.django.DjangoTemplates"}}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}}
CELERY_BROKER_URL = "redis://127.0.0.1:6379/0"
"""
PLAIN = """
from celery import Celery

app = Celery("chain")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
"""
LEDGER = """
import neural

app = neural.LedgerCelery("chain")
"""
PROJECTS = {"without": ("", PLAIN), "with": ('"neural",', LEDGER)}
STARTED = """
import importlib, json, os, resource, sys
from time import process_time

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
from application import app
import django

django.setup()
app.loader.import_default_modules()
app.finalize()
if sys.argv[1] == "worker":
    import celery.bin.celery
    import celery.apps.worker
    import celery.concurrency.prefork
    import celery.worker.consumer

    app.control
    app.connection_for_read().get_transport_cls()
    if django.apps.apps.is_installed("neural"):
        from neural import worker
        from neural.kit import conf

        conf.conf()
        for part in (*worker.PARTS, "request"):
            importlib.import_module(f"neural.worker.{part}")
with open("/proc/self/statm") as file:
    pages = int(file.read().split()[1])
print(json.dumps([process_time(), pages * resource.getpagesize() / 2**20]))
"""
STAGES = ("set up", "worker")


def main() -> None:
    options = argparse.ArgumentParser(description="What the ledger adds to a process's start.")
    options.add_argument("--repeats", type=int, default=15)
    repeats = options.parse_args().repeats
    with tempfile.TemporaryDirectory(prefix="neural-bench-") as folder:
        for name, (app, application) in PROJECTS.items():
            directory = Path(folder, name)
            directory.mkdir()
            (directory / "settings.py").write_text(SETTINGS.format(app=app))
            (directory / "application.py").write_text(application)
        figures = {"machine": machine(), "repeats": repeats}
        figures |= {stage: _stage(stage, Path(folder), repeats) for stage in STAGES}
    json.dump(figures, sys.stdout, indent=2)
    print()


def _stage(stage: str, folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Starts of both in turn. The first of each is not counted, because Python compiles modules."""
    started = [
        {name: _start(folder / name, stage) for name in PROJECTS} for _ in range(repeats + 1)
    ][1:]
    found = {}
    for place, (measure, digits) in enumerate({"seconds": 3, "MiB": 1}.items()):
        each = {name: median(turn[name][place] for turn in started) for name in PROJECTS}
        ratio = median(turn["with"][place] / turn["without"][place] for turn in started)
        found[measure] = {name: round(value, digits) for name, value in each.items()}
        found[measure]["times"] = round(ratio, 2)
    return found


def _start(directory: Path, stage: str) -> tuple[float, float]:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CELERY_")},
        "PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]),
        # Compile modules once, as in an installation, whatever this process was told.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(directory.parent / "compiled"),
    }
    command = [sys.executable, "-c", STARTED, stage]
    done = subprocess.run(
        command, env=environment, cwd=directory, stdout=subprocess.PIPE, check=True
    )
    seconds, size = json.loads(done.stdout)
    return seconds, size


if __name__ == "__main__":
    main()
