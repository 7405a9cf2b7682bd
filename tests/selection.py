"""Decides which tests are ``slow`` and left out of ``make test``, and which run ``once``, on SQLite
only, because no server changes their result.

Some tests carry the marker themselves: they bring their own database and broker, as ``make demo``
does. Of the others, a test is *pure* if it asks for no database and no broker, starts no process
and opens no connection. This is decided at collection. With WATCH_ONCE=1 in the environment it is
checked while the test runs: a test that needs more fails, and says what it needed.
"""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest
from django.db import connections

SERVICES = {
    "admin_client",
    "broker_url",
    "cluster",
    "db",
    "live_server",
    "own_broker_server",
    "transactional_db",
}
"""Fixtures that provide a database or a broker."""

SPEAKS_OF_SERVICES = re.compile(
    r"DATABASE|BROKER_|RESULT_BACKEND|\.vendor\b|\bsubprocess\b"
    r"|\bledger_(?:dialect|connection)\b|\bdialect_of\b"
)
"""Words in a test's module which show that the result may depend on the servers, even if the test
connects to none."""

PURE = pytest.mark.once(pure=True)

SEEN = {
    "subprocess.Popen": "it starts a process",
    "os.fork": "it forks",
    "socket.connect": "it connects to a server",
}
"""Python's audit events, and what each says about a test."""

_seen: list[tuple[int, set[str]]] = []
"""What each thread's test did: threads that an earlier test left running are not this test's."""


def is_pure(item: pytest.Item) -> bool:
    """Whether nothing that this test asks for depends on the servers."""
    marked = any(item.get_closest_marker(name) for name in ("django_db", "integration", "services"))
    asks = SERVICES.intersection(getattr(item, "fixturenames", ()))
    return not (marked or asks or _speaks_of_services(item.path))


def is_slow(item: pytest.Item) -> bool:
    """Whether it starts processes and does not state that it is quick all the same."""
    starts = any(item.get_closest_marker(name) for name in ("integration", "chaos"))
    return starts and item.get_closest_marker("quick") is None


@cache
def _speaks_of_services(module: Path) -> bool:
    return SPEAKS_OF_SERVICES.search(module.read_text(encoding="utf-8")) is not None


@contextmanager
def watched() -> Iterator[set[str]]:
    """Collects, in words, what the block does that depends on servers."""
    watching = threading.get_ident(), set[str]()
    _seen.append(watching)
    asked = type(connections).__getitem__

    def ask(self, alias):
        _note("it asks for the database")
        return asked(self, alias)

    type(connections).__getitem__ = ask
    try:
        yield watching[1]
    finally:
        type(connections).__getitem__ = asked
        _seen.remove(watching)


def _note(what: str) -> None:
    for thread, seen in _seen:
        if thread == threading.get_ident():
            seen.add(what)


def _audit(event: str, _arguments: object) -> None:
    if _seen and event in SEEN:
        _note(SEEN[event])


sys.addaudithook(_audit)
