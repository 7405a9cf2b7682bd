"""What runs once is decided by what a test asks for, and held against what it does."""

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection, connections

from tests import selection


class Collected:
    """A test as pytest has collected it: with the fixtures of its fixtures."""

    def __init__(self, path: Path, text: str = "", fixtures=(), marks=()) -> None:
        path.write_text(text)
        self.path, self.fixturenames, self.marks = path, fixtures, marks

    def get_closest_marker(self, name):
        return name if name in self.marks else None


@pytest.fixture
def runs_once(tmp_path):
    return lambda **asked: selection.is_pure(Collected(tmp_path / "test_it.py", **asked))


def test_a_test_that_asks_for_nothing_runs_once(runs_once):
    assert runs_once(text="def test_it(): assert 1 + 1 == 2", fixtures=["tmp_path"])


@pytest.mark.parametrize("fixture", sorted(selection.SERVICES))
def test_one_that_asks_for_the_database_or_a_broker_runs_on_each(runs_once, fixture):
    assert not runs_once(fixtures=["tmp_path", fixture])


@pytest.mark.parametrize("mark", ["django_db", "integration", "services"])
def test_one_that_is_marked_so_runs_on_each(runs_once, mark):
    assert not runs_once(marks=[mark])


@pytest.mark.parametrize(
    "line",
    ["connection.vendor", "os.environ['DATABASE_URL']", "settings.CELERY_BROKER_URL", "subprocess"],
)
def test_one_whose_module_speaks_of_them_runs_on_each(runs_once, line):
    assert not runs_once(text=line)


def test_of_this_module_none_runs_once(request):
    """As pytest really hands it over."""
    assert not selection.is_pure(request.node)


def test_what_it_does_with_the_database_is_seen():
    with selection.watched() as seen:
        assert connection.vendor

    assert seen == {"it asks for the database"}


def test_a_process_that_it_starts_is_seen():
    with selection.watched() as seen:
        subprocess.run([sys.executable, "--version"], check=True, stdout=subprocess.DEVNULL)

    assert seen == {"it starts a process"}


def test_a_connection_that_it_opens_is_seen():
    with selection.watched() as seen, socket.socket() as client, pytest.raises(ConnectionError):
        client.connect(("127.0.0.1", 1))

    assert seen == {"it connects to a server"}


def test_what_another_thread_does_is_not_this_tests_doing():
    with selection.watched() as seen, ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: connections["default"].vendor).result()

    assert seen == set()


def test_nothing_is_seen_of_what_comes_afterwards():
    with selection.watched() as seen:
        pass
    assert connection.vendor

    assert seen == set()
