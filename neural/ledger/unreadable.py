"""Runs that were taken together and of which one cannot be read: it alone fails.

A row may hold JSON that this process cannot read: nested deeper than Python follows, recorded by
a release that did not look, or written by hand. Reading all of them at once would keep every one
of its neighbours from their work.
"""

import logging
from collections.abc import Sequence
from typing import Any

from django.db import InterfaceError, OperationalError

from neural.errors import PermanentError
from neural.ledger.execute import settle_in_time
from neural.ledger.interrupts import SoftTimeLimitExceeded
from neural.ledger.log import log_outcomes
from neural.ledger.outcome import failed
from neural.ledger.work import Clock
from neural.ledger.work_errors import describe
from neural.models import NeuralEvent, TaskRun

logger = logging.getLogger(__name__)

NOT_OF_A_ROW = (OperationalError, InterfaceError, SoftTimeLimitExceeded, MemoryError)
"""Errors of a claim that say nothing about what it has read."""
_JSON = ("args", "kwargs", "options", "result")


class RunUnreadable(PermanentError):
    """A run, or its event, cannot be read."""


def read_each(token: int, error: Exception) -> Sequence[TaskRun]:
    """Read what this token has taken one by one, after reading all of it together has failed.

    What cannot be read is dead. If nothing was taken the error was another one, and is raised.
    """
    logger.warning("event=claim_read_one_by_one error=%r", describe(error))
    taken = list(TaskRun.objects.running().filter(token=token).defer(*_JSON))
    if not taken:
        raise error
    return [run for run in taken if _is_read(run)]


def _is_read(run: TaskRun) -> bool:
    try:
        _read(run)
    except RunUnreadable as unreadable:
        _bury(run, unreadable)
        return False
    return True


def _read(run: TaskRun) -> None:
    row = TaskRun.objects.filter(pk=run.pk)
    for name in _JSON:
        setattr(run, name, _value(row, name, f"its {name}"))
    if run.event_id is not None:
        event = NeuralEvent.objects.filter(pk=run.event_id)
        run.event = event.defer("payload").select_related("store").get()
        run.event.payload = _value(event, "payload", "the payload of its event")


def _value(row: Any, column: str, what: str) -> Any:
    try:
        return row.values_list(column, flat=True).get()
    except NOT_OF_A_ROW:
        raise
    except Exception as error:
        raise RunUnreadable(f"{what} cannot be read: {describe(error)}") from error


def _bury(run: TaskRun, error: RunUnreadable) -> None:
    for name in _JSON:
        run.__dict__.setdefault(name, {})  # what was not read, nobody is to look at
    clock = Clock.of(run)
    outcome = failed(run, error, None, clock.now(), clock)
    settle_in_time([outcome])
    log_outcomes([outcome])
