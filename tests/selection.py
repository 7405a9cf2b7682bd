"""Which tests are run ``once``, by ``make test`` alone: on other servers they would be the same.

Some say so: what they are about brings its own database and broker, as ``make demo`` does. Of the
others those are *pure* that ask for no database and no broker, start no process and connect to
nothing. That is decided when they are collected. With WATCH_ONCE=1 in the environment it is held
against what each then does: one that turns out to need more fails and says what.
"""

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

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
"""Fixtures that bring a database or a broker."""

SPEAKS_OF_SERVICES = re.compile(r"DATABASE|BROKER_|RESULT_BACKEND|\.vendor\b|\bsubprocess\b")
"""In a test's module: what it does may depend on the servers although it never reaches them."""

PURE = pytest.mark.once(pure=True)

SEEN = {
    "subprocess.Popen": "it starts a process",
    "os.fork": "it forks",
    "socket.connect": "it connects to a server",
}
"""Python's own audit events, and what they say of a test."""

_seen: list[tuple[int, set[str]]] = []
"""By thread: those that an earlier test left running are not this test's doing."""


def is_pure(item: pytest.Item) -> bool:
    """Whether nothing that this test asks for differs from one server to another."""
    marked = any(item.get_closest_marker(name) for name in ("django_db", "integration", "services"))
    asks = SERVICES.intersection(getattr(item, "fixturenames", ()))
    return not (marked or asks or SPEAKS_OF_SERVICES.search(_source(item)))


def _source(item: pytest.Item) -> str:
    text = _sources.get(item.path)
    if text is None:
        text = _sources[item.path] = item.path.read_text(encoding="utf-8")
    return text


_sources: dict[object, str] = {}


@contextmanager
def watched() -> Iterator[set[str]]:
    """What the block does that depends on servers, in words."""
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
