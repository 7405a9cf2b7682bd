"""Calls a function once for what several calls in one transaction have left to its commit."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from django.db import transaction

Item = TypeVar("Item")
NEAR = 3
"""How many of the last hooks are looked at. A call that records work registers two."""


def call_on_commit(function: Callable[[list[Item]], object], items: Iterable[Item]) -> None:
    """Call a function with these items when the open transaction commits, or at once without one.

    Items that are left to it one after the other come in one list, unless a savepoint is between
    them: what is undone with it is not called.
    """
    connection: Any = transaction.get_connection()
    if not _is_of_a_test_case(connection):
        for savepoints, hook, _robust in connection.run_on_commit[-NEAR:]:
            mine = isinstance(hook, partial) and hook.func is function
            if mine and savepoints == set(connection.savepoint_ids):
                hook.args[0].extend(items)
                return
    transaction.on_commit(partial(function, list(items)), robust=True)


def _is_of_a_test_case(connection: Any) -> bool:
    """Whether the transaction is that of Django's TestCase, where hooks are captured for a few
    calls."""
    return any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks[:1])
