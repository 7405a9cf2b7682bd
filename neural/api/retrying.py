"""Runs the handlers of an event again: retries set-aside runs, and records missing ones."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.db import transaction

from neural.events.answers import EventPruned
from neural.events.replay import replay
from neural.events.types import event_type
from neural.models import NeuralEvent, RunState, TaskRun
from neural.models.run_log import log_change, pairs

RETRIED_STATES = (RunState.DEAD, RunState.CANCELLED)
"""A discarded run stays discarded: a person decided that it is not retried."""

logger = logging.getLogger("neural.api")


@dataclass(frozen=True, kw_only=True)
class EventRetry:
    """What was done. ``retried`` and ``unchanged`` have the states that were found."""

    retried: Sequence[TaskRun]
    recorded: Sequence[TaskRun]
    unchanged: Sequence[TaskRun]


def retry_event(event: NeuralEvent, *, by: str) -> EventRetry:
    """Retry the event's dead and cancelled runs, and record runs of handlers that have none.

    In the caller's transaction; published after it commits. Raises :class:`EventPruned`, and
    EventTypeUnknown if no installed app registers the event's type any more.
    """
    event_type(event.type)
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned; its handlers cannot run")
    runs = event.runs.order_by("pk").select_for_update(of=("self",))
    found = list(runs.defer("args", "kwargs", "result"))
    retried = [run for run in found if run.state in RETRIED_STATES]
    TaskRun.objects.filter(pk__in=[run.pk for run in retried]).retry()
    recorded = replay(event, requested_by=by)
    transaction.on_commit(partial(log_change, "retried", retried, by=by), robust=True)
    transaction.on_commit(partial(_log, event, by, retried, recorded), robust=True)
    unchanged = [run for run in found if run.state not in RETRIED_STATES]
    return EventRetry(retried=retried, recorded=recorded, unchanged=unchanged)


def _log(
    event: NeuralEvent, by: str, retried: Sequence[TaskRun], recorded: Sequence[TaskRun]
) -> None:
    facts = {
        "by": by,
        "event_id": event.event_id,
        "source": event.source,
        "store": event.store_id,
        "retried": len(retried),
        "recorded": len(recorded),
    }
    logger.info("event=event_retried %s", pairs(facts))
