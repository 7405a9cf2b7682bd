"""Submitting events: validate, record with their runs, ring the bell on commit.

What is accepted is recorded in the caller's transaction; what is refused leaves nothing
behind and the answer names the field and the reason.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from neural.conf import conf
from neural.events import recording
from neural.events.answers import Refused, Submission
from neural.events.draft import EventDraft, StoreClocks, draft_event


def submit(
    *,
    type: str,  # noqa: A002 (what CloudEvents and the event itself call it)
    store: str,
    source: str,
    event_id: str,
    payload: Mapping[str, Any],
    occurred_at: dt.datetime | str | None = None,
    priority: int | None = None,
    queue: str | None = None,
    backfill: bool = False,
    requested_by: str = "",
) -> Submission:
    """Submit one event.

    ``store``, ``source`` and ``event_id`` together are the event's identity: the same
    identity with the same payload again is a duplicate and changes nothing, with another
    payload it is refused as a conflict. ``occurred_at`` defaults to now; without a time zone
    it is the store's own time. ``priority`` (1 to 10, 10 is most urgent) and ``queue``
    replace those of the type; ``backfill`` marks history, which runs on ``low_priority``.

    Nothing is raised for bad input: look at the answer, or call ``.or_raise()`` on it.
    """
    request = {
        "type": type,
        "store": store,
        "source": source,
        "event_id": event_id,
        "payload": payload,
        "occurred_at": occurred_at,
        "priority": priority,
        "queue": queue,
    }
    (answer,) = submit_many([request], backfill=backfill, requested_by=requested_by)
    return answer


def submit_many(
    events: Iterable[Mapping[str, Any]], *, backfill: bool = False, requested_by: str = ""
) -> Iterator[Submission]:
    """Submit many events, each a mapping with the arguments of :func:`submit`.

    Streams: takes any iterable, records ``submit_chunk`` events at a time (each chunk in a
    transaction of its own, unless the caller has one open) and yields one answer per event,
    in order. It is a generator: events are recorded as the answers are taken.
    """
    remaining = iter(events)
    while chunk := list(_drafts(islice(remaining, conf().submit_chunk), backfill, requested_by)):
        yield from _record(chunk)


def _drafts(
    requests: Iterable[Mapping[str, Any]], backfill: bool, requested_by: str
) -> Iterator[EventDraft | Submission]:
    """What may be recorded, or the answer why not. A request is read and let go at once: held
    for a whole chunk, the objects in it would cost Python's garbage collector a tenth."""
    clocks = StoreClocks()
    for request in requests:
        try:
            yield draft_event(request, clocks, backfill=backfill, requested_by=requested_by)
        except Refused as refused:
            yield Submission.refused(refused.problems)


def _record(chunk: Sequence[EventDraft | Submission]) -> Iterator[Submission]:
    answers = iter(recording.record([each for each in chunk if isinstance(each, EventDraft)]))
    for each in chunk:
        yield each if isinstance(each, Submission) else next(answers)
