"""Submits events: validates them, records them with their runs, and publishes on commit.

A valid event is recorded in the caller's transaction. For a refused event, the answer names the
field and the reason, and a ``RefusedEvent`` row shows the same to people.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from neural.conf import conf
from neural.errors import PermanentError
from neural.events import together
from neural.events.answers import InvalidEvent, Submission
from neural.events.new_event import NewEvent, StoreClocks, validate_event
from neural.events.refusals import Refusal, keep, refusal_of, refusal_of_new_event
from neural.models import EntryPoint, RefusedEvent


class RefusalClosed(PermanentError):
    """This refused event has already been corrected or dismissed."""


def submit(
    *,
    type: str,  # noqa: A002 (its name in CloudEvents and in the event itself)
    store: str,
    source: str,
    event_id: str,
    payload: Mapping[str, Any],
    occurred_at: dt.datetime | str | None = None,
    priority: int | None = None,
    queue: str | None = None,
    backfill: bool = False,
    traceparent: str | None = None,
    tracestate: str | None = None,
    requested_by: str = "",
    entry_point: str = EntryPoint.PYTHON,
) -> Submission:
    """Submit one event in the caller's transaction; returns the answer.

    ``store``, ``source`` and ``event_id`` together identify the event. The same identity with the
    same type and payload again is a duplicate and changes nothing; with another type or payload it
    is refused as a conflict. ``occurred_at`` defaults to now; a time without a time zone is the
    store's local time. ``priority`` (1 to 10, 10 is most urgent) and ``queue`` replace those of the
    type. ``backfill`` marks history, whose runs go to ``low_priority``. ``traceparent`` and
    ``tracestate`` are the trace context of W3C: they are kept with the runs and sent with their
    messages; invalid ones are ignored. ``requested_by`` names who submitted it.

    Nothing is raised for invalid input: look at the answer, or call ``.or_raise()`` on it. A
    refused event is kept for people, with ``entry_point`` as the way it came; with an empty
    ``entry_point`` it is not kept.
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
        "traceparent": traceparent,
        "tracestate": tracestate,
    }
    (answer,) = submit_many(
        [request], backfill=backfill, requested_by=requested_by, entry_point=entry_point
    )
    return answer


def correct(refused: RefusedEvent, request: Mapping[str, Any], *, by: str) -> Submission:
    """Submit ``request`` (arguments of :func:`neural.submit`) in place of a refused event.

    ``by`` names the person. The new event and the change of the refused event's row commit
    together. If the request is refused again, nothing is written; the answer says why. Raises
    :class:`RefusalClosed` if the refused event is not open.
    """
    with transaction.atomic():
        mine = RefusedEvent.objects.open().select_for_update().filter(pk=refused.pk)
        if not mine.values_list("pk", flat=True)[:1]:
            raise RefusalClosed(f"{refused} is not open any more")
        backfill = bool(refused.details.get("backfill"))
        answer = submit(**request, backfill=backfill, requested_by=by, entry_point="")
        if answer.event is not None and not answer.is_refused:
            refused.mark_corrected(answer.event, by=by)
    return answer


def submit_many(
    events: Iterable[Mapping[str, Any]],
    *,
    backfill: bool = False,
    requested_by: str = "",
    entry_point: str = EntryPoint.PYTHON,
) -> Iterator[Submission]:
    """Submit many events, each a mapping with the arguments of :func:`submit`.

    Takes any iterable, records ``submit_chunk`` events at a time (each chunk in a transaction of
    its own, unless the caller has one open) and yields one answer per event, in order. This is a
    generator: events are recorded while its answers are read. If the iterable raises, the events
    before that are recorded and answered first.
    """
    remaining = iter(events)
    while True:
        chunk, error = _next_chunk(remaining, backfill, requested_by)
        yield from _record(chunk, entry_point, requested_by)
        if error is not None:
            raise error
        if not chunk:
            return


Chunk = Sequence[NewEvent | Refusal]

CHUNK_CHARACTERS = 64 * 1024 * 1024
"""A chunk ends early when its payloads have this size, so that large ones do not fill the memory or
a statement."""


def _next_chunk(
    requests: Iterator[Any], backfill: bool, requested_by: str
) -> tuple[Chunk, Exception | None]:
    """Valid events and refusals of the next requests, and the error that the caller's iterable
    raised after them, or None. Each request is let go at once: kept for a whole chunk, its objects
    would cost a tenth more time in Python's garbage collector."""
    clocks = StoreClocks()
    chunk: list[NewEvent | Refusal] = []
    size = 0
    while len(chunk) < conf().submit_chunk and size < CHUNK_CHARACTERS:
        try:
            request = next(requests)
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 (the caller's own, raised again)
            return chunk, error
        chunk.append(_read(request, clocks, backfill, requested_by))
        size += len(chunk[-1].payload)
    return chunk, None


def _read(
    request: Any, clocks: StoreClocks, backfill: bool, requested_by: str
) -> NewEvent | Refusal:
    if isinstance(request, Refusal):  # for an NDJSON line that could not be read
        return request
    try:
        return validate_event(request, clocks, backfill=backfill, requested_by=requested_by)
    except InvalidEvent as refused:
        return refusal_of(request, refused.problems, backfill=backfill)


def _record(chunk: Chunk, entry_point: str, requested_by: str) -> Iterator[Submission]:
    new_events = [each for each in chunk if isinstance(each, NewEvent)]
    recorded = iter(together.record(new_events))
    answers = [
        next(recorded) if isinstance(each, NewEvent) else Submission.refused(each.problems)
        for each in chunk
    ]
    refused = [pair for pair in zip(chunk, answers, strict=True) if pair[1].is_refused]
    if refused and entry_point:
        refusals = [_refusal(each, answer) for each, answer in refused]
        keep(refusals, entry_point=entry_point, requested_by=requested_by)
    return iter(answers)


def _refusal(what: NewEvent | Refusal, answer: Submission) -> Refusal:
    return what if isinstance(what, Refusal) else refusal_of_new_event(what, answer.problems)
