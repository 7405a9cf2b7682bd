"""`make matrix` tries what pyproject.toml allows, and names what it cannot try."""

import importlib.util
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def matrix():
    spec = importlib.util.spec_from_file_location("matrix", ROOT / "scripts" / "matrix.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclass looks for it
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_each_file_of_its_suite_exists(matrix):
    assert [name for name in matrix.SUITE if not (ROOT / name).is_file()] == []


def test_each_version_that_a_classifier_names_is_tried(matrix):
    tried = {(each.python, each.django) for each in matrix.combinations()}
    pythons, djangos = {python for python, _ in tried}, {django for _, django in tried}

    for line in PROJECT["classifiers"]:
        topic, _, version = line.rpartition(" :: ")
        if topic == "Programming Language :: Python" and version[:2] == "3.":
            assert version in pythons
        if topic == "Framework :: Django":
            assert version in djangos
    assert ("3.11", "6.0") not in tried  # Django 6.0 wants Python 3.12


def test_what_it_installs_is_within_the_ranges_of_the_package(matrix):
    ranges = {matrix.name_of(line): Requirement(line).specifier for line in matrix.declared()}

    for combination in matrix.combinations():
        lines = [*matrix.wanted(combination), *matrix.beat(combination)[0]]
        exact = [line for line in lines if "==" in line and "*" not in line]
        for wanted in map(Requirement, exact):
            assert next(iter(wanted.specifier)).version in ranges.get(
                wanted.name.lower(), wanted.specifier
            ), wanted


def test_the_oldest_is_the_first_version_of_every_range(matrix):
    (combination,) = [each for each in matrix.combinations() if each.oldest]
    lines = [*matrix.wanted(combination), *matrix.beat(combination)[0]]
    demanded = [Requirement(line) for line in matrix.declared()]

    for wanted in demanded:
        first = next(each.version for each in wanted.specifier if each.operator == ">=")
        assert any(
            line.startswith(wanted.name) and line.endswith(f"=={first}") for line in lines
        ), wanted


def program(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.services  # it starts a process
def test_a_shim_stands_for_the_python_that_it_leads_to(matrix, tmp_path):
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    shim = program(tmp_path / "shim", f'exec {sys.executable} "$@"')

    assert matrix._real(shim, version) == sys.executable
    assert matrix._real(shim, "3.99") is None
    assert matrix._real(program(tmp_path / "off", "echo not on >&2; exit 127"), version) is None
    assert matrix._real(str(tmp_path / "missing"), version) is None


def test_what_there_is_no_python_for_is_named_as_not_tried(matrix, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "interpreter", lambda python: None)
    monkeypatch.setattr(sys, "argv", ["matrix.py", "--python", "3.14", "--django", "6.1"])

    assert matrix.main() == 0

    said = capsys.readouterr().out.splitlines()
    assert said[:-1] == [
        f"Python 3.14, Django 6.1, Celery {celery}: not tried: this machine has no Python 3.14"
        for celery in ("5.6", "5.7")
    ]
    assert said[-1] == "2 combinations, 2 not tried, 0 failed"
