"""Submitting events from asynchronous code: ``submit`` and ``submit_many`` in Django's thread.

In that thread, Django runs all synchronous code of one asynchronous context
(``sync_to_async(thread_sensitive=True)``), so it has the context's database connection.
"""

from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from asgiref.sync import sync_to_async

from neural.conf import conf
from neural.events.answers import Submission
from neural.events.submit import submit, submit_many
from neural.ledger.dialects import ledger_connection

Answer = TypeVar("Answer")
Events = Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]]


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
    async for answers, error in _chunks(events, options):
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


Chunk = tuple[Sequence[Submission], Exception | None]
"""Answers, and the error that the caller's iterable raised after them, or None."""


def _chunks(events: Events, options: Mapping[str, Any]) -> AsyncIterator[Chunk]:
    if isinstance(events, AsyncIterable):
        return _from_afar(events, options)
    return _here(events, options)


async def _here(events: Iterable[Any], options: Mapping[str, Any]) -> AsyncIterator[Chunk]:
    answers = submit_many(events, **options)
    size = conf().submit_chunk
    while True:
        chunk, error = await _in_its_thread(partial(_next, answers, size))
        yield chunk, error
        if error is not None or len(chunk) < size:
            return


def _next(answers: Iterator[Submission], size: int) -> Chunk:
    taken: list[Submission] = []
    try:
        taken.extend(islice(answers, size))
    except Exception as error:  # noqa: BLE001 (raised again, after the answers)
        return taken, error
    return taken, None


async def _from_afar(
    events: AsyncIterable[Any], options: Mapping[str, Any]
) -> AsyncIterator[Chunk]:
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
