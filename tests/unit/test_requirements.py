"""requirements.txt is enough to run: what tests install beside it hides nothing."""

import os
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PRODUCTION = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {hidden!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import django
django.setup()
import kombu.transport.redis, kombu.transport.pyamqp, gunicorn.app.wsgiapp, zhilian.wsgi
import celery.bin.celery, celery.apps.worker, celery.apps.beat, zhilian.asgi
from django.core.management import get_commands, load_command_class
for name, app in get_commands().items():
    if app in ("neural", "zhilian"):
        load_command_class(app, name)
"""


def demanded(file: str) -> list[Requirement]:
    lines = (ROOT / file).read_text().splitlines()
    return [Requirement(line) for line in lines if re.match(r"\w", line)]


def installed_by(requirements: list[Requirement]) -> set[str]:
    """The distributions that pip installs for these, with those that they demand."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        wanted = waiting.pop()
        found.add(canonicalize_name(wanted.name))
        for line in _demands_of(wanted.name):
            each = Requirement(line)
            extras = [*wanted.extras] or [""]
            applies = each.marker is None or any(each.marker.evaluate({"extra": e}) for e in extras)
            if applies and canonicalize_name(each.name) not in found:
                waiting.append(each)
    return found


def _demands_of(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []  # of another platform


def test_what_runs_in_production_is_installed_there():
    installed = installed_by(demanded("requirements.txt"))
    homes = packages_distributions()
    hidden = {
        name
        for name, distributions in homes.items()
        if not installed & {canonicalize_name(each) for each in distributions}
    }
    assert {"pytest", "flower", "mypy", "dp_accounting", "scipy", "flwr"} <= hidden

    started = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PRODUCTION.format(hidden=hidden)],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "zhilian.settings"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert started.returncode == 0, started.stderr


def test_every_version_is_pinned():
    for file in ROOT.glob("requirements*.txt"):
        for wanted in demanded(file.name):
            assert [each.operator for each in wanted.specifier] == ["=="], wanted
