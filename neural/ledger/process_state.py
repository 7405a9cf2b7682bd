"""What belongs to the whole process, and is put back when work has changed it.

The next run in this process is another handler's, and in a batch it is a neighbour's. Only
what can be read and set at the cost of a microsecond is looked after.
"""

import contextvars
import decimal
import locale
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

Value = TypeVar("Value")


class ProcessSetting(NamedTuple):
    """A piece of the process's state."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]


def _directory() -> str | None:
    with suppress(OSError):  # it was deleted
        return os.getcwd()
    return None


def _has_alarm() -> bool:
    return signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _go_back(directory: str | None) -> None:
    if directory is not None:
        os.chdir(directory)


def _end_alarm(had_alarm: bool) -> None:
    if not had_alarm:
        signal.setitimer(signal.ITIMER_REAL, 0)


SETTINGS = (
    ProcessSetting("working directory", _directory, _go_back),
    ProcessSetting(
        "locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda found: locale.setlocale(locale.LC_ALL, found),
    ),
    ProcessSetting("alarm", _has_alarm, _end_alarm),
    ProcessSetting("logging.disable", lambda: logging.root.manager.disable, logging.disable),
    ProcessSetting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
)


def snapshot() -> Sequence[Any]:
    """What the surroundings are now."""
    return [each.read() for each in SETTINGS]


def restore(found: Sequence[Any]) -> list[str]:
    """Make them again what they were found to be; the names of those that had changed."""
    changed = []
    for each, before in zip(SETTINGS, found, strict=True):
        if each.read() != before:
            each.restore(before)
            changed.append(each.name)
    return changed


def isolated(function: Callable[[], Value]) -> Value:
    """Call it in a context of its own: the language and time zone that it activates, the
    precision of its decimals and its context variables end with it."""
    return contextvars.copy_context().run(_with_decimals_of_its_own, function)


def _with_decimals_of_its_own(function: Callable[[], Value]) -> Value:
    decimal.setcontext(decimal.getcontext().copy())
    return function()
