"""What is installed from the wheel is the whole of `neural`, and needs what the wheel says."""

import ast
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import packages_distributions
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.once
ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRA_OF = {
    "neural/retrieval": "search",
    "neural/forecasting": "forecasting",
    "neural/api": "http",
    "neural/hooks": "webhooks",
    "neural/monitoring": "monitoring",
}
"""Of the rooms that have one; everything else does with the core's dependencies."""
SHARED = {"neural/kit/encrypted.py": {"webhooks", "monitoring"}}
"""Modules of the core that only these extras' apps import."""
ENDPOINTS = "neural_api.py"
"""An app's module of this name is imported by the API alone."""
BROUGHT = {"asgiref": "django", "opentelemetry": "opentelemetry-api"}
"""Packages that another one documents as part of its own interface, or shares with others."""
BESIDES = ("__pycache__", ".mypy_cache", ".ruff_cache")


def tree(folder: str = "neural") -> set[str]:
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in paths if not set(BESIDES) & {*path.parts}}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The directory of a wheel and a source distribution, built offline."""
    directory = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d"]
    made = subprocess.run(
        [*command, str(directory)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    return directory


@pytest.fixture(scope="module")
def wheel(built) -> Iterator[zipfile.ZipFile]:
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_the_wheel_holds_every_file_of_neural_and_nothing_else(wheel):
    named = {name for name in wheel.namelist() if ".dist-info/" not in name}

    assert named == tree()


@pytest.mark.parametrize(
    "name",
    [
        "neural/py.typed",
        "neural/migrations/__init__.py",
        "neural/locale/zh_Hans/LC_MESSAGES/django.mo",
        "neural/restaurant/locale/zh_Hans/LC_MESSAGES/django.mo",
        "neural/retrieval/locale/zh_Hans/LC_MESSAGES/django.mo",
        "neural/forecasting/locale/zh_Hans/LC_MESSAGES/django.mo",
        "neural/templates/neural/run/table.html",
        "neural/static/neural/admin.css",
    ],
)
def test_of_each_kind_of_file_there_is_one_in_the_wheel(wheel, name):
    assert name in wheel.namelist()


def test_the_wheel_has_the_whole_licence_and_says_which_it_is(wheel):
    (licence,) = [name for name in wheel.namelist() if name.endswith("/licenses/LICENSE")]
    (metadata,) = [name for name in wheel.namelist() if name.endswith("/METADATA")]

    assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert b"\nLicense-Expression: Apache-2.0\n" in wheel.read(metadata)


def test_the_source_distribution_builds_what_the_wheel_holds(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as opened:
        named = {name.partition("/")[2] for name in opened.getnames()}

    assert named == tree() | {
        "PKG-INFO", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", ".gitignore",
    }  # fmt: skip


# What it imports, it demands


def demanded(*extras: str) -> set[str]:
    """By the core and these extras."""
    lines = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][each] for each in extras)]
    return {canonicalize_name(Requirement(line).name) for line in chain.from_iterable(lines)}


def everything_demanded() -> set[str]:
    return demanded(*PROJECT["optional-dependencies"])


@cache
def homes() -> dict[str, list[str]]:
    return dict(packages_distributions())


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """The distributions of others that these statements import from."""
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    tops = {name.partition(".")[0] for name in names} - sys.stdlib_module_names - {"neural"}
    return {canonicalize_name(BROUGHT.get(top) or homes().get(top, [top])[0]) for top in tops}


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    plugin = "neural/pytest_plugin.py"  # loaded by pytest, which is therefore there
    names = sorted(name for name in tree() if name.endswith(".py") and name != plugin)
    return {name: ast.parse((ROOT / name).read_text()) for name in names}


def extras_of(name: str) -> set[str]:
    extras = {extra for room, extra in EXTRA_OF.items() if name.startswith(f"{room}/")}
    extras |= SHARED.get(name, set())
    extras |= {"http"} if name.endswith(f"/{ENDPOINTS}") else set()
    return extras


def test_what_a_module_imports_at_once_is_demanded_by_the_core_or_by_its_rooms_extra(modules):
    missing = {
        name: strange
        for name, module in modules.items()
        if (strange := imported(module.body) - demanded(*extras_of(name)))
    }

    assert missing == {}


def test_what_a_module_imports_when_it_needs_it_is_demanded_by_some_extra(modules):
    missing = {
        name: strange
        for name, module in modules.items()
        if (strange := imported(ast.walk(module)) - everything_demanded())
    }

    assert missing == {}


def test_nothing_is_demanded_that_no_module_imports(modules):
    used = {each for module in modules.values() for each in imported(ast.walk(module))}

    # Flower is a program beside the workers.
    assert everything_demanded() - used == {"flower"}
