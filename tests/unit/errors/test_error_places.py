"""Where own code lies does not matter: two checkouts of the same code give one error group."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural.monitoring.errors import roots
from neural.monitoring.errors.fingerprint import Cause
from neural.monitoring.errors.grouping import remembered_cause
from neural.monitoring.errors.places import module_of
from neural.monitoring.errors.roots import import_roots, inner_path, with_inner_paths

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/celery/app/trace.py", line 9, in call
    return fun()
  File "{folder}/grill/orders.py", line {line}, in record
    raise ValueError("cold")
ValueError: cold
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout of the package ``grill``, from which this process imports."""
    package = tmp_path / "green" / "grill"
    package.mkdir(parents=True)
    for name in ("__init__", "orders"):
        (package / f"{name}.py").write_text("")
    (tmp_path / "green" / "cook.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "green"), *sys.path])
    inner_path.cache_clear()
    yield tmp_path / "green"
    inner_path.cache_clear()


def cause(folder: object, line: int = 7) -> Cause:
    text = TRACEBACK.format(folder=folder, line=line)
    return remembered_cause("ValueError: cold", text, "grill.record", is_lost=False)


def test_checkouts_in_differently_named_folders_give_one_group(checkout):
    here = cause(checkout)
    assert here.frame == "grill.orders.record"
    assert cause("/srv/blue") == here
    assert cause("/home/ann/stranger/next", line=9) == here
    assert cause(r"C:\kitchen\shop") == here


def test_code_that_this_process_does_not_have_is_named_by_its_path(checkout):
    assert inner_path("/srv/blue/bar/drinks.py") == "/srv/blue/bar/drinks.py"
    assert inner_path("") == ""


def test_a_module_without_a_package_is_named_alone(checkout):
    assert module_of(inner_path("/srv/blue/cook.py")) == "cook"


def test_the_longest_end_of_a_path_that_is_a_file_here_is_its_name(checkout):
    (checkout / "grill" / "cook.py").write_text("")
    assert inner_path("/srv/blue/grill/cook.py") == "grill/cook.py"


def test_installed_packages_and_the_standard_library_keep_their_paths(checkout):
    for folder in ("/usr/lib/python3.12", "/venv/lib/python3.12/site-packages"):
        assert inner_path(f"{folder}/grill/orders.py") == f"{folder}/grill/orders.py"


def test_files_are_looked_for_once_for_each_path(checkout, monkeypatch):
    looked = []
    monkeypatch.setattr(roots.os.path, "isfile", lambda path: bool(looked.append(path)))
    for _ in range(3):
        inner_path("/srv/blue/bar/drinks.py")
    assert len(looked) == len(set(looked))
    assert looked


def test_a_path_leads_nowhere_but_below_the_roots(checkout, monkeypatch):
    looked = []
    monkeypatch.setattr(roots.os.path, "isfile", lambda path: bool(looked.append(path)))
    inner_path("/srv/../../etc/passwd")
    assert not any(".." in path for path in looked)


def test_libraries_and_scripts_of_python_are_no_roots(tmp_path):
    scripts = os.path.dirname(sys.executable)
    folders = [tmp_path / "app", tmp_path / "lib" / "python3.12" / "site-packages"]
    for folder in folders:
        folder.mkdir(parents=True)
    entries = (*map(str, folders), os.path.dirname(os.__file__), scripts, str(tmp_path / "gone"))
    assert import_roots(entries) == (str(folders[0]),)


def test_frames_of_nested_groups_are_read_too(checkout):
    told = with_inner_paths('  |   File "/a/b.py", line 3, in f\n', inner=lambda path: "b.py")
    assert told == '  |   File "b.py", line 3, in f\n'


@given(st.text())
def test_no_text_is_too_odd(text):
    inner_path(text)
    assert with_inner_paths(text, inner=lambda path: path) == text
