"""Submits the events of a batch while it arrives, and answers with a line for each event.

The answer of a request usually waits until its body has been read. Here it does not, so both sides
may write at once: a client that reads nothing until it has sent everything would wait for a server
that waits for it, once the buffers between them are full. So while there is a body to read, answers
are sent only if that does not block, and are kept in a temporary file otherwise.
"""

import json
import select
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from tempfile import SpooledTemporaryFile
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, StreamingHttpResponse

from neural.api.access import Caller
from neural.api.conf import conf
from neural.api.problems import ApiProblem, database_away, problem_body
from neural.api.submitting.requests import (
    SUPERSEDED,
    Body,
    Item,
    NotReadable,
    Outcome,
    as_arguments,
    as_cloudevent,
    check_media_type,
    item_of,
    named,
    submit_all,
    with_trace,
)
from neural.api.submitting.splitting import Element, elements, lines
from neural.events.answers import Verdict
from neural.events.ndjson import line_limit
from neural.kit.bodies import Deadline
from neural.kit.conf import conf as ledger_conf

NDJSON = ("application/x-ndjson", "application/jsonl")
CLOUDEVENTS = "application/cloudevents-batch+json"
ACCEPTED = ("application/json", CLOUDEVENTS, *NDJSON)

CHUNK_BYTES = 1024 * 1024
"""A chunk ends early when its events have this size, so that memory stays flat."""
SPOOL_BYTES = 1024 * 1024
PIECE_BYTES = 4096
"""So much can be written to a socket that is writable without waiting for the client."""
LARGE_PIECE_BYTES = 64 * 1024


def answer(request: HttpRequest, **options: bool) -> StreamingHttpResponse:
    """The response to a batch; ``options`` are those of :func:`submit_all`. Raises
    :class:`ApiProblem` if nothing can be answered."""
    batch = _Batch(request, options)
    answers = batch.answers()
    first = next(answers)  # raises the problem of a batch of which no event was answered
    pieces = batch.sent(chain([first], answers))
    return StreamingHttpResponse(pieces, content_type=NDJSON[0])


class _Batch:
    def __init__(self, request: HttpRequest, options: Mapping[str, bool]) -> None:
        self._request = request
        self._options = options
        self._caller: Caller = request.auth  # type: ignore[attr-defined]
        self._media_type = check_media_type(request, ACCEPTED)
        self._body = Body(request, conf().api_batch_bytes, conf().api_body_seconds)
        self._place = "line" if self._media_type in NDJSON else "index"
        verdicts = [*Verdict, *([SUPERSEDED] if options.get("dry_run") else [])]
        self._counts = dict.fromkeys(map(str, verdicts), 0)

    def answers(self) -> Iterator[bytes]:
        """Lines of answers, a chunk of events at a time, and the last line. Raises
        :class:`ApiProblem` if there would be nothing but a problem."""
        try:
            for chunk in self._chunks():
                yield self._recorded(chunk)
            yield _line({"summary": self._counts})
        except ApiProblem as problem:
            if not any(self._counts.values()):
                raise
            yield _line({"problem": problem_body(problem) | {"answered": self._counts}})
        finally:
            self._body.drain()

    def _recorded(self, chunk: Sequence[tuple[int, Item]]) -> bytes:
        self._caller.charge(len(chunk))
        try:
            outcomes = submit_all([item for _, item in chunk], self._caller, **self._options)
        except (OperationalError, InterfaceError) as error:
            raise database_away() from error
        for outcome in outcomes:
            self._counts[outcome.verdict] += 1
        return b"".join(
            self._answer(place, outcome)
            for (place, _), outcome in zip(chunk, outcomes, strict=True)
        )

    def _answer(self, place: int, outcome: Outcome) -> bytes:
        line: dict[str, Any] = {self._place: place, "status": outcome.status}
        line["verdict"] = outcome.verdict
        if outcome.event_pk is not None:
            line["id"] = outcome.event_pk
        if outcome.planned:
            line["handlers"] = [asdict(each) for each in outcome.planned]
        if outcome.problems:
            line["errors"] = named(outcome.problems)
        if outcome.warnings:
            line["warnings"] = named(outcome.warnings)
        return _line(line)

    def _chunks(self) -> Iterator[Sequence[tuple[int, Item]]]:
        """Chunks of events. If the body cannot be read further, the events before are a chunk."""
        chunk: list[tuple[int, Item]] = []
        size, count = 0, 0
        problem: ApiProblem | None = None
        found = self._elements()
        while problem is None:
            try:
                element = next(found, None)
            except ApiProblem as error:
                problem, element = error, None
            except NotReadable as error:
                problem, element = _broken(error), None
            if element is not None and count == conf().api_batch_events:
                problem, element = _too_many(), None
            if element is not None:
                count += 1
                chunk.append((element.place, self._item(element)))
                size += len(element.raw)
            is_full = len(chunk) >= ledger_conf().submit_chunk or size >= CHUNK_BYTES
            if chunk and (element is None or is_full):
                yield chunk
                chunk, size = [], 0
            if element is None:
                break
        if problem is not None:
            raise problem
        if not count:
            raise ApiProblem(400, "the batch has no events")

    def _elements(self) -> Iterator[Element]:
        pieces = iter(self._body.read, b"")
        split = lines if self._media_type in NDJSON else elements
        return split(pieces, line_limit())

    def _item(self, element: Element) -> Item:
        return item_of(element.raw, element.read, self._arguments_of)

    def _arguments_of(self, value: Any) -> dict[str, Any]:
        shape = as_cloudevent if self._media_type == CLOUDEVENTS else as_arguments
        return with_trace(shape(value), self._request)

    def sent(self, answers: Iterator[bytes]) -> Iterator[bytes]:
        """The answers in pieces, such that sending them never blocks reading the body."""
        connection = getattr(self._request, "environ", {}).get("gunicorn.socket")
        with _Spool() as spool:
            for answered in answers:
                spool.put(answered)
                while spool.size and not self._body.is_complete and _is_writable(connection):
                    yield spool.take(PIECE_BYTES)
                while spool.size and self._body.is_complete:
                    yield from _timed(connection, spool.take(LARGE_PIECE_BYTES))
            while spool.size:
                yield from _timed(connection, spool.take(LARGE_PIECE_BYTES))


def _timed(connection: Any, piece: bytes) -> Iterator[bytes]:
    """Yields a piece to a client that must take it within ``api_body_seconds``."""
    with Deadline(connection, time.monotonic() + conf().api_body_seconds, socket.SHUT_RDWR):
        yield piece


def _is_writable(connection: Any) -> bool:
    if connection is None:
        return False
    poll = select.poll()
    poll.register(connection, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in poll.poll(0))


class _Spool:
    """Bytes waiting to be sent, in memory or in a temporary file."""

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=SPOOL_BYTES)  # noqa: SIM115 (closed on exit)
        self._taken = 0
        self._put = 0

    def __enter__(self) -> "_Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def size(self) -> int:
        return self._put - self._taken

    def put(self, data: bytes) -> None:
        self._file.seek(self._put)
        self._file.write(data)
        self._put += len(data)

    def take(self, most: int) -> bytes:
        self._file.seek(self._taken)
        data = self._file.read(min(most, self.size))  # behind it are bytes of before
        self._taken += len(data)
        if not self.size:
            self._taken = self._put = 0
        return data


def _line(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _broken(error: NotReadable) -> ApiProblem:
    return ApiProblem(400, f"the body {error}")


def _too_many() -> ApiProblem:
    most = conf().api_batch_events
    return ApiProblem(413, f"a batch has at most {most:,} events; send the rest in another one")
