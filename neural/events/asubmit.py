"""Submitting from asynchronous code: the same work, in Django's thread for the database.

That is the thread in which Django runs all synchronous code of one asynchronous context
(``sync_to_async(thread_sensitive=True)``), and so its database connection.
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
    no transaction of its own, so they are committed when this returns; only where a synchronous
    caller waits for it (``async_to_sync``, a test) are they part of that caller's transaction.
    To commit the event together with other rows, write both in one function with
    ``transaction.atomic()`` and ``neural.submit``, and call that by ``sync_to_async``.

    When the waiting task is cancelled the thread goes on: the event may be recorded all the same,
    and to submit it again changes nothing.
    """
    return await _in_its_thread(partial(submit, **event))


async def asubmit_many(events: Events, **options: Any) -> AsyncIterator[Submission]:
    """:func:`neural.submit_many` for asynchronous code: takes any iterable or asynchronous
    iterable, and yields one answer per event, in order.

    ``submit_chunk`` events at a time go to the thread, each chunk in a transaction of its own. An
    iterable that is not asynchronous is read there, too, so it may ask the database. When the
    iterable raises, what it gave before is recorded and answered first.
    """
    async for answers, error in _chunks(events, options):
        for answer in answers:
            yield answer
        if error is not None:
            raise error


async def _in_its_thread(work: Callable[[], Answer]) -> Answer:
    return await sync_to_async(_on_a_sound_connection, thread_sensitive=True)(work)


def _on_a_sound_connection(work: Callable[[], Answer]) -> Answer:
    """Outside of a request (in a worker, in a program of one's own) nobody else replaces the
    thread's connection after the database has been away."""
    connection = ledger_connection()
    if connection.errors_occurred and not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    return work()


Chunk = tuple[Sequence[Submission], Exception | None]
"""Answers, and why the caller's iterable stopped after them."""


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
