"""requirements.txt is enough to run: what tests install beside it hides nothing."""

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PRODUCTION_FILES = ("requirements.txt",)
"""What deploy/README.md installs."""
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
    demands = [each for name in PRODUCTION_FILES for each in demanded(name)]
    installed = installed_by(demands)
    homes = packages_distributions()
    hidden = {
        name
        for name, distributions in homes.items()
        if not installed & {canonicalize_name(each) for each in distributions}
    }
    assert {"pytest", "flower", "mypy", "scipy", "flwr"} <= hidden

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


def ranges() -> list[Requirement]:
    """Of pyproject.toml: of the core, of every extra, and of what builds the wheel."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = told["project"]["optional-dependencies"].values()
    lines = told["project"]["dependencies"] + told["build-system"]["requires"]
    return [Requirement(line) for line in [*lines, *(each for lines in extras for each in lines)]]


def test_servers_install_the_pinned_versions_by_hash_and_from_no_named_place():
    text = (ROOT / "deploy" / "requirements.txt").read_text()
    locked = [line.removesuffix(" \\") for line in text.splitlines() if re.match(r"\w", line)]
    versions = {canonicalize_name(Requirement(line).name): line.split(" ;")[0] for line in locked}
    wanted = demanded("requirements.txt")

    assert set(versions) >= installed_by(wanted)
    for each in wanted:
        assert versions[canonicalize_name(each.name)].endswith(str(each.specifier)), "make hashes"
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=\w)", text)[1:])
    assert "://" not in text


@pytest.mark.parametrize("wanted", ranges(), ids=str)
def test_what_the_package_demands_is_pinned_to_a_version_that_it_allows(wanted):
    pinned = {
        canonicalize_name(each.name): each
        for file in ROOT.glob("requirements*.txt")
        for each in demanded(file.name)
    }
    (version,) = [each.version for each in pinned[canonicalize_name(wanted.name)].specifier]

    assert version in wanted.specifier
    assert wanted.extras <= pinned[canonicalize_name(wanted.name)].extras


# `make demo` installs what it needs, and `make test` the rest

FAKE_PIP = """#!/bin/sh
case "$*" in *install*) echo "$@" >>"$(dirname "$0")/../../installed" ;; esac
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """The Makefile and what it reads, with a venv whose Python notes what pip is to install."""
    for name in ["Makefile", "scripts/setup.sh", *(file.name for file in REQUIREMENTS)]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(FAKE_PIP)
    python.chmod(0o755)
    return tmp_path


REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))
DEMO = ["requirements.txt", "requirements-demo.txt"]
ALL = ["requirements-dev.txt", "requirements-demo.txt", "requirements-reference.txt"]


def make(checkout: Path, target: str) -> list[str]:
    """The files of requirements that `make` has pip install."""
    noted = checkout / "installed"
    noted.write_text("")
    subprocess.run(
        ["make", "--silent", target, f"PYTHON={sys.executable}"],
        cwd=checkout, check=True, capture_output=True,
    )  # fmt: skip
    return re.findall(r"-r (\S+)", noted.read_text())


def test_the_demo_installs_what_runs_in_production_and_the_sales_alone(checkout):
    assert make(checkout, "demo") == DEMO
    assert make(checkout, "demo") == []
    assert make(checkout, "setup") == ALL


def test_where_everything_is_installed_the_demo_installs_nothing(checkout):
    assert make(checkout, "setup") == ALL
    assert make(checkout, "demo") == []
    assert make(checkout, "setup") == []


def test_a_changed_requirement_is_installed_by_both(checkout):
    make(checkout, "setup")
    later = time.time() + 60
    os.utime(checkout / "requirements.txt", (later, later))

    assert make(checkout, "demo") == DEMO
    assert make(checkout, "setup") == ALL
