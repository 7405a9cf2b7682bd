"""Restores settings of the whole process (directory, locale, alarm, …) after work changed them.

The next run in this process belongs to another handler. Only settings that can be read and set
within a microsecond are restored.
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
    """A setting of the process: how to read it, and how to set it to a value read before."""

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
    """The current values of all :data:`SETTINGS`."""
    return [each.read() for each in SETTINGS]


def restore(found: Sequence[Any]) -> list[str]:
    """Restore the values of a :func:`snapshot`; returns the names of settings that had changed."""
    changed = []
    for each, before in zip(SETTINGS, found, strict=True):
        if each.read() != before:
            each.restore(before)
            changed.append(each.name)
    return changed


def isolated(function: Callable[[], Value]) -> Value:
    """Call a function in a context of its own, and return its value. The language and time zone
    that it activates, its decimal context and its context variables do not outlive the call."""
    return contextvars.copy_context().run(_with_decimals_of_its_own, function)


def _with_decimals_of_its_own(function: Callable[[], Value]) -> Value:
    decimal.setcontext(decimal.getcontext().copy())
    return function()
