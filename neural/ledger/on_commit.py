"""Calls a function once for what several calls in one transaction have left to its commit."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from django.db import transaction

Item = TypeVar("Item")


class Left(partial[object]):
    """A function, and the list of items with which it is called on commit."""


def call_on_commit(function: Callable[[list[Item]], object], items: Iterable[Item]) -> None:
    """Call a function with these items when the open transaction commits, or at once without one.

    Items that are left to it one after the other come in one list. Another hook between them keeps
    its place, and what is undone with a savepoint is not called.
    """
    connection: Any = transaction.get_connection()
    # Django's TestCase captures hooks for a few calls: nothing is joined there.
    if not any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks[:1]):
        for savepoints, hook, _robust in reversed(connection.run_on_commit):
            if not isinstance(hook, Left) or savepoints != set(connection.savepoint_ids):
                break
            if hook.func is function:
                hook.args[0].extend(items)
                return
    left = Left(function, list(items))
    left.__qualname__ = function.__qualname__  # type: ignore[attr-defined]  # Django logs it
    transaction.on_commit(left, robust=True)
