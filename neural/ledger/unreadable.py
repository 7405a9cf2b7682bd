"""Reads claimed runs one by one after an error, so that an unreadable run alone is dead.

A row may contain JSON that this process cannot read: nested too deep for Python, because it was
recorded by a release that did not check this, or written by hand. Without this module, such a row
would stop every run that was claimed with it.
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
"""Errors of a claim that no row has caused."""
_JSON = ("args", "kwargs", "options", "result")


class RunUnreadable(PermanentError):
    """A run, or its event, cannot be read."""


def read_each(token: int, error: Exception) -> Sequence[TaskRun]:
    """Read the runs claimed with this token one by one, after reading them together has failed.

    Returns the readable runs; the others are dead. If no run was claimed, ``error`` had another
    cause and is raised.
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
        run.__dict__.setdefault(name, {})  # else Django would read the deferred column again
    clock = Clock.of(run)
    outcome = failed(run, error, None, clock.now(), clock)
    settle_in_time([outcome])
    log_outcomes([outcome])
