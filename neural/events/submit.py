"""Submitting events: validate, record with their runs, publish on commit.

What is accepted is recorded in the caller's transaction. Of what is refused nothing is recorded
but that it was: the answer names the field and the reason, and so does a row that people see.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from neural.conf import conf
from neural.errors import PermanentError
from neural.events import recording
from neural.events.answers import InvalidEvent, Submission
from neural.events.new_event import NewEvent, StoreClocks, validate_event
from neural.events.refusals import Refusal, keep, refusal_of, refusal_of_new_event
from neural.models import EntryPoint, RefusedEvent


class RefusalClosed(PermanentError):
    """Somebody has corrected or dismissed this refused event already."""


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
    entry_point: str = EntryPoint.PYTHON,
) -> Submission:
    """Submit one event.

    ``store``, ``source`` and ``event_id`` together are the event's identity: the same
    identity with the same payload again is a duplicate and changes nothing, with another
    payload it is refused as a conflict. ``occurred_at`` defaults to now; without a time zone
    it is the store's own time. ``priority`` (1 to 10, 10 is most urgent) and ``queue``
    replace those of the type; ``backfill`` marks history, which runs on ``low_priority``.

    Nothing is raised for bad input: look at the answer, or call ``.or_raise()`` on it. What is
    refused is shown to people as having come by ``entry_point``; not at all if that is empty.
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
    (answer,) = submit_many(
        [request], backfill=backfill, requested_by=requested_by, entry_point=entry_point
    )
    return answer


def correct(refused: RefusedEvent, request: Mapping[str, Any], *, by: str) -> Submission:
    """Submit ``request`` (arguments of :func:`neural.submit`) in place of a refused event.

    The event and the row that says so commit together. A request that is refused again leaves
    everything as it is, and no other row: the answer tells the person who asked.
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

    Streams: takes any iterable, records ``submit_chunk`` events at a time (each chunk in a
    transaction of its own, unless the caller has one open) and yields one answer per event,
    in order. It is a generator: events are recorded as the answers are taken. When the iterable
    itself raises, what it gave before is recorded and answered first.
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


def _next_chunk(
    requests: Iterator[Any], backfill: bool, requested_by: str
) -> tuple[Chunk, Exception | None]:
    """What may be recorded and what is refused; and why the caller's iterable stopped. A request
    is read and let go at once: held for a whole chunk, the objects in it would cost Python's
    garbage collector a tenth."""
    clocks = StoreClocks()
    chunk: list[NewEvent | Refusal] = []
    for _ in range(conf().submit_chunk):
        try:
            request = next(requests)
        except StopIteration:
            break
        except Exception as error:  # noqa: BLE001 (the caller's own, raised again)
            return chunk, error
        chunk.append(_read(request, clocks, backfill, requested_by))
    return chunk, None


def _read(
    request: Any, clocks: StoreClocks, backfill: bool, requested_by: str
) -> NewEvent | Refusal:
    if isinstance(request, Refusal):  # of a line that could not even be read
        return request
    try:
        return validate_event(request, clocks, backfill=backfill, requested_by=requested_by)
    except InvalidEvent as refused:
        return refusal_of(request, refused.problems, backfill=backfill)


def _record(chunk: Chunk, entry_point: str, requested_by: str) -> Iterator[Submission]:
    new_events = [each for each in chunk if isinstance(each, NewEvent)]
    recorded = iter(recording.record(new_events))
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
