"""Submits events: validates them, records them with their runs, and publishes on commit.

A valid event is recorded in the caller's transaction. For a refused event, the answer names the
field and the reason, and a ``RefusedEvent`` row shows the same to people.

From asynchronous code, ``asubmit`` and ``asubmit_many`` call these functions in Django's thread. In
that thread, Django runs all synchronous code of one asynchronous context
(``sync_to_async(thread_sensitive=True)``), so it has the context's database connection.
"""

import datetime as dt
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import nullcontext
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction

from neural.events import recording
from neural.events.answers import InvalidEvent, Submission
from neural.events.changes import refusals_changed
from neural.events.new_event import NewEvent, StoreClocks, validate_event
from neural.events.refusals import Refusal, keep, refusal_of, refusal_of_new_event
from neural.kit.conf import conf
from neural.kit.errors import PermanentError
from neural.ledger.dialects import ledger_connection
from neural.ledger.work import working_on
from neural.models import EntryPoint, RefusedEvent
from neural.queues import LOW_PRIORITY_QUEUE

Chunk = Sequence[NewEvent | Refusal]
CHUNK_CHARACTERS = 64 * 1024 * 1024
"""A chunk ends early when its payloads have this size, so that large ones do not fill the memory or
a statement."""
Answer = TypeVar("Answer")
Events = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


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
    strict: bool | None = False,
    dry_run: bool = False,
) -> Submission:
    """Submit one event in the caller's transaction; returns the answer.

    ``store``, ``source`` and ``event_id`` together identify the event. The same identity with the
    same type and payload again is a duplicate and changes nothing; with another type or payload it
    is refused as a conflict. ``occurred_at`` defaults to now; a time without a time zone is the
    store's local time. ``priority`` (1 to 10, 10 is most urgent) and ``queue`` replace those of the
    type. ``backfill`` marks history, whose runs go to ``low_priority``. ``traceparent`` and
    ``tracestate`` are the trace context of W3C: they are kept with the runs and sent with their
    messages; invalid ones are ignored. ``requested_by`` names who submitted it. ``strict`` refuses
    fields that the type's schema does not know; otherwise the answer's ``warnings`` name them. None
    takes what nobody here could correct, as long as it can be handled.
    ``dry_run`` writes nothing and answers what would happen, with the runs that the event would
    have.

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
        [request],
        backfill=backfill,
        requested_by=requested_by,
        entry_point=entry_point,
        strict=strict,
        dry_run=dry_run,
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
            refusals_changed([(refused.store_code, refused.pk)])
    return answer


def submit_many(
    events: Iterable[Mapping[str, Any]],
    *,
    backfill: bool = False,
    requested_by: str = "",
    entry_point: str = EntryPoint.PYTHON,
    strict: bool | None = False,
    dry_run: bool = False,
) -> Iterator[Submission]:
    """Submit many events, each a mapping with the arguments of :func:`submit`.

    Takes any iterable, records ``submit_chunk`` events at a time (each chunk in a transaction of
    its own, unless the caller has one open) and yields one answer per event, in order. This is a
    generator: events are recorded while its answers are read. If the iterable raises, the events
    before that are recorded and answered first.
    """
    remaining = iter(events)
    while True:
        chunk, error = _next_chunk(remaining, backfill, requested_by, strict)
        # While history is loaded, other transactions go first where there is one writer.
        with working_on(LOW_PRIORITY_QUEUE) if backfill else nullcontext():
            answers = _record(chunk, "" if dry_run else entry_point, requested_by, dry_run)
        yield from answers
        if error is not None:
            raise error
        if not chunk:
            return


def _next_chunk(
    requests: Iterator[Any], backfill: bool, requested_by: str, strict: bool | None
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
        chunk.append(_read(request, clocks, backfill, requested_by, strict))
        size += len(chunk[-1].payload)
    return chunk, None


def _read(
    request: Any, clocks: StoreClocks, backfill: bool, requested_by: str, strict: bool | None
) -> NewEvent | Refusal:
    if isinstance(request, Refusal):  # for an NDJSON line that could not be read
        return request
    try:
        return validate_event(
            request, clocks, backfill=backfill, requested_by=requested_by, strict=strict
        )
    except InvalidEvent as refused:
        return refusal_of(request, refused.problems, backfill=backfill)


def _record(
    chunk: Chunk, entry_point: str, requested_by: str, dry_run: bool
) -> Iterator[Submission]:
    new_events = [each for each in chunk if isinstance(each, NewEvent)]
    record = recording.foresee if dry_run else recording.record_in_group
    recorded = iter(record(new_events))
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


# From asynchronous code


async def asubmit(**event: Any) -> Submission:
    """:func:`neural.submit` for asynchronous code, with the same arguments and the same answer.

    The event and its runs are written in Django's thread for the database. Asynchronous code has
    no transaction of its own, so they are committed when this returns. There is one exception: if
    a synchronous caller waits for the asynchronous code (``async_to_sync``, a test), they are part
    of that caller's transaction. To commit the event together with other rows, write both in one
    function with ``transaction.atomic()`` and ``neural.submit``, and call it with
    ``sync_to_async``.

    If the waiting task is cancelled, the thread continues, so the event may still be recorded.
    Submitting it again changes nothing.
    """
    return await _in_its_thread(partial(submit, **event))


async def asubmit_many(events: Events, **options: Any) -> AsyncIterator[Submission]:
    """:func:`neural.submit_many` for asynchronous code: takes any iterable or asynchronous
    iterable, and yields one answer per event, in order.

    ``submit_chunk`` events at a time go to the thread, each chunk in a transaction of its own. A
    synchronous iterable is read in the thread, too, so it may query the database. If the iterable
    raises, the events before that are recorded and answered first.
    """
    if isinstance(events, AsyncIterable):
        chunks = _from_afar(events, options)
    else:
        chunks = _here(events, options)
    async for answers, error in chunks:
        for answer in answers:
            yield answer
        if error is not None:
            raise error


async def _in_its_thread(work: Callable[[], Answer]) -> Answer:
    return await sync_to_async(_on_a_sound_connection, thread_sensitive=True)(work)


def _on_a_sound_connection(work: Callable[[], Answer]) -> Answer:
    """Replace a broken connection, then call ``work``. Outside of requests (in a worker or a
    script), nothing else replaces the thread's connection after a database outage."""
    connection = ledger_connection()
    if connection.errors_occurred and not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    return work()


AnsweredChunk = tuple[Sequence[Submission], Exception | None]
"""Answers, and the error that the caller's iterable raised after them, or None."""


async def _here(events: Iterable[Any], options: Mapping[str, Any]) -> AsyncIterator[AnsweredChunk]:
    answers = submit_many(events, **options)
    size = conf().submit_chunk
    while True:
        chunk, error = await _in_its_thread(partial(_next, answers, size))
        yield chunk, error
        if error is not None or len(chunk) < size:
            return


def _next(answers: Iterator[Submission], size: int) -> AnsweredChunk:
    taken: list[Submission] = []
    try:
        taken.extend(islice(answers, size))
    except Exception as error:  # noqa: BLE001 (raised again, after the answers)
        return taken, error
    return taken, None


async def _from_afar(
    events: AsyncIterable[Any], options: Mapping[str, Any]
) -> AsyncIterator[AnsweredChunk]:
    requests = aiter(events)
    while True:
        chunk, error = await _gathered(requests)
        yield await _in_its_thread(partial(_all_answers, chunk, options)), error
        if error is not None or len(chunk) < conf().submit_chunk:
            return


def _all_answers(requests: Sequence[Any], options: Mapping[str, Any]) -> Sequence[Submission]:
    return list(submit_many(requests, **options))


async def _gathered(requests: AsyncIterator[Any]) -> tuple[Sequence[Any], Exception | None]:
    chunk: list[Any] = []
    try:
        while len(chunk) < conf().submit_chunk:
            chunk.append(await anext(requests))
    except StopAsyncIteration:
        pass
    except Exception as error:  # noqa: BLE001 (the caller's own, raised again)
        return chunk, error
    return chunk, None
