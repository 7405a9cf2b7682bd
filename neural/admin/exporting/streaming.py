"""The content of a file while it is sent: it knows how it ended, and says so."""

import logging
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from typing import Any
from weakref import WeakSet

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import Error
from django.http import HttpRequest, StreamingHttpResponse

from neural.admin.exporting.formats import Format
from neural.models import AuditOutcome

logger = logging.getLogger(__name__)

AT_ONCE = 2
"""Files that one web process sends at once, each to another user: each takes one of its threads."""

_under_way: "WeakSet[Content]" = WeakSet()
"""Contents from their first byte on. One that nobody closes leaves with its last reference. It must
not say then how it ended: that would ask the database in the middle of what the thread is doing."""


def has_room() -> bool:
    """Whether this process may send one more file now."""
    return len(_under_way) < AT_ONCE


def is_sent_to(owner: Any) -> bool:
    """Whether this process is sending a file to the user with this primary key."""
    return any(each.owner == owner for each in _under_way)


class Content(Iterator[bytes]):
    """The bytes of a file, made as they are asked for.

    If the database fails, the last line says that the file is incomplete. ``ended`` gets the
    outcome and the number of rows once, also if the client went away; the server closes the content
    then. ``owner`` is the primary key of the user who gets it.
    """

    def __init__(
        self,
        pieces: Iterator[Sequence[Any]],
        written: Format,
        ended: Callable[[AuditOutcome, int], None],
        owner: Any = None,
    ) -> None:
        self.owner = owner
        self._pieces, self._written, self._ended = pieces, written, ended
        self._outcome, self._sent = AuditOutcome.FAILED, 0
        self._is_open = True
        self._chunks = self._made()

    def __next__(self) -> bytes:
        return next(self._chunks)

    def close(self) -> None:
        """Say how it ended. Called by the server, whatever happened; the second time in vain."""
        if not self._is_open:
            return
        self._is_open = False
        _under_way.discard(self)
        self._chunks.close()
        self._ended(self._outcome, self._sent)

    def _made(self) -> Generator[bytes, None, None]:
        _under_way.add(self)
        yield self._written.beginning()
        try:
            for piece in self._pieces:
                chunk = self._written.rows(piece)
                self._sent += len(piece)
                yield chunk
        except Error as error:
            logger.warning("export_cut rows=%d error=%r", self._sent, error)
            yield self._written.incomplete(self._sent)
        else:
            self._outcome = AuditOutcome.DONE


def streamed(request: HttpRequest, content: Any) -> StreamingHttpResponse:
    """A response that sends pieces as they are made, and closes their iterator at its end, also if
    the client went away."""
    if isinstance(request, ASGIRequest):
        response = StreamingHttpResponse(asynchronously(content))
        response._resource_closers.append(content.close)  # type: ignore[attr-defined]
    else:
        response = StreamingHttpResponse(content)
    response.headers["X-Accel-Buffering"] = "no"  # nginx passes each piece on at once
    return response


async def asynchronously(content: Any) -> AsyncIterator[bytes]:
    """The same for an ASGI server, which would otherwise collect all of it in memory."""
    step: Any = sync_to_async(next)
    try:
        while (chunk := await step(content, None)) is not None:
            yield chunk
    finally:
        await sync_to_async(content.close)()
