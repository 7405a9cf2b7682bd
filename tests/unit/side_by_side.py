"""Works side by side, each in a thread with a connection of its own; on PostgreSQL, the second may
come to wait for what the first has locked."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """What each returned. Raises what one of them raises."""

    def run(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return [future.result(timeout=240) for future in [pool.submit(run, each) for each in works]]


def while_uncommitted(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Do the first in a transaction, and the second before it is committed: the transaction stays
    open until the second has ended or waits for a lock. Returns what each returned."""
    first_is_done, second_is_done = threading.Event(), threading.Event()

    def hold_first() -> Any:
        with transaction.atomic():
            try:
                done = first()
            finally:
                first_is_done.set()
            until(lambda: second_is_done.is_set() or somebody_waits_for_a_lock())
            return done

    def do_second() -> Any:
        assert first_is_done.wait(60)
        try:
            return second()
        finally:
            second_is_done.set()

    return in_threads(hold_first, do_second)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nobody waited for a lock, and nobody ended"
        time.sleep(0.01)


def somebody_waits_for_a_lock() -> bool:
    return who_wait_for_locks() > 0


def who_wait_for_locks() -> int:
    """How many sessions of this database wait for others."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")  # else a transaction sees one for ever
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])
