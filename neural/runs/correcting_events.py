"""Submits the corrected form of an event beside the original, which stays as it was sent.

The new event has the original's store, source and time, and its id with a number: ``1001`` becomes
``1001~edit-01``, and that ``1001~edit-02``. Where the newest event decides, the time comes first
and then the id: a correction is newer than what it corrects, and older than all that came later.
"""

import re
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from neural.events.answers import EventPruned, EventRefused, InvalidEvent, Problem
from neural.events.new_event import StoreClocks, validate_event
from neural.events.submit import submit
from neural.ledger import ports
from neural.models import NeuralEvent, TaskRun

MOST_EDITS = 99
"""Two digits, so that the ids sort as the edits came."""
_ENDS = re.compile(r"~edit-[0-9]{2}\Z")
_LONGEST_ID: int = NeuralEvent._meta.get_field("event_id").max_length  # type: ignore[assignment]


def submit_corrected(*, run: TaskRun, payload: Mapping[str, Any], requested_by: str) -> NeuralEvent:
    """Submit a run's event with another payload, in the caller's transaction; returns the new
    event. Raises :class:`EventRefused` or :class:`EventPruned`."""
    event: Any = run.event
    if event.payload is None:
        raise EventPruned(f"the payload of {event} was pruned; there is nothing to correct")
    NeuralEvent.objects.select_for_update(no_key=True).get(pk=_first_of(event).pk)
    asked = {**_request(run, payload), "event_id": _next_id(event)}
    return submit(**asked, requested_by=requested_by, entry_point="").or_raise()


def problems_of(*, run: TaskRun, payload: Any) -> tuple[Problem, ...]:
    """Why this payload would be refused in place of the event's; nothing is written."""
    event: Any = run.event
    try:
        asked = {**_request(run, payload), "event_id": event.event_id}
        validate_event(asked, StoreClocks(), backfill=False, requested_by="")
    except InvalidEvent as refused:
        return refused.problems
    return ()


def _request(run: TaskRun, payload: Any) -> dict[str, Any]:
    event: Any = run.event
    return {
        "type": event.type,
        "store": event.store_id,
        "source": event.source,
        "occurred_at": event.occurred_at,
        "payload": payload,
        "priority": run.priority,
        "queue": run.queue if ports.has_queue(run.queue) else None,
    }


def _base(event: NeuralEvent) -> str:
    return _ENDS.sub("", event.event_id)


def _first_of(event: NeuralEvent) -> NeuralEvent:
    """The event that was edited first: whoever edits one of its runs locks it."""
    same = {"event_id": _base(event), "store": event.store_id, "source": event.source}
    return NeuralEvent.objects.filter(**same).defer("payload").first() or event


def _next_id(event: NeuralEvent) -> str:
    base = _base(event)
    ids = [f"{base}~edit-{number:02}" for number in range(1, MOST_EDITS + 1)]
    same = {"store": event.store_id, "source": event.source}
    known = NeuralEvent.objects.filter(event_id__in=ids, **same)
    last = max(known.values_list("event_id", flat=True), default="")
    place = ids.index(last) + 1 if last else 0
    if place == MOST_EDITS:
        raise _refused(_("was edited %(count)d times, the most there are numbers for"), MOST_EDITS)
    if len(ids[place]) > _LONGEST_ID:
        most = _LONGEST_ID - len(ids[0]) + len(base)
        raise _refused(_("leaves no room for the number of an edit; at most %(count)d do"), most)
    return ids[place]


def _refused(reason: str, count: int) -> EventRefused:
    return EventRefused([Problem("event_id", reason % {"count": count})])
