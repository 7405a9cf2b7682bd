"""Every benchmark still fits the code that it measures: all are imported, and those that need
no service and little time are run with a handful of events."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
APART = {"celery_peer", "django_q_peer", "django_tasks_peer", "procrastinate_peer", "rows", "ours"}
"""Apps of `benchmarks.peers`, which have settings of their own."""
IMPORTING = """
import importlib, json, sys
import django
django.setup()
missing = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name.split(".")[0] in ("benchmarks", "neural", "zhilian"):
            raise
        missing[name] = error.name
print(json.dumps(missing))
"""
SMALL = [
    ("rates", "--drain-only", "--events", "40", "--repeats", "1"),
    ("try_rows", "--runs", "20"),
]


@pytest.fixture(autouse=True)
def _once():
    if connection.vendor != "sqlite":
        pytest.skip("benchmarks make their own databases: once is enough")


def run(arguments, **options):
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.settings"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )


def modules():
    folder = ROOT / "benchmarks"
    paths = (path.relative_to(ROOT).with_suffix("") for path in folder.rglob("*.py"))
    return sorted(
        ".".join(path.parts)
        for path in paths
        if not APART.intersection(path.parts)
        and not path.name.startswith("__")
        and not path.name.endswith("settings")
        and ".venv" not in path.parts
    )


def test_all_modules_can_be_imported(tmp_path, monkeypatch):
    monkeypatch.setenv("ZHILIAN_VAR", str(tmp_path))

    done = run(["-c", IMPORTING], input=json.dumps(modules()))

    assert done.returncode == 0, done.stderr
    for name, package in json.loads(done.stdout).items():
        print(f"{name} not imported: {package} is not installed")


@pytest.mark.parametrize("arguments", SMALL, ids=lambda each: each[0])
def test_small_runs_come_to_their_end(arguments):
    name, *options = arguments

    done = run(["-m", f"benchmarks.{name}", *options, "--database", "sqlite"])

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["sqlite"]
