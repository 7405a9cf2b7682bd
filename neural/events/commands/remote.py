"""Sends lines of NDJSON to the HTTP API of another deployment.

Each line is answered once. A connection that breaks, or a server that is away, is tried again from
the first line without an answer: what was recorded without our knowing counts as a duplicate.
"""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from typing import IO, Any

from neural.events.answers import Problem, Submission, Verdict
from neural.events.ndjson import LineAnswer, line_limit
from neural.kit.errors import NeuralError

BATCH_LINES = 1000
BATCH_BYTES = 4 * 1024 * 1024
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
TIMEOUT_SECONDS = 60
_TRIED_AGAIN = {408, 425, 429, 500, 502, 503, 504}
_ACCEPTED = (200, 202)

Lines = Sequence[tuple[int, bytes]]
"""Lines with their numbers."""


class ServerRefused(NeuralError):
    """The server refuses all that we send: a wrong address, or a key that it does not accept."""


class ServerAway(NeuralError):
    """The server did not answer for too long."""


class _TooLarge(Exception):
    """The server takes fewer lines, or bytes, in one batch."""


class _Interrupted(Exception):
    """What follows was not answered. It may succeed after ``wait`` seconds, if the server says."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


def batches(file: IO[bytes]) -> Iterator[Lines]:
    """The lines of a file that are not blank, as they come: a line of a pipe is not held back until
    a batch is full. Of a line longer than any valid event, only the beginning."""
    number, rest = 0, b""
    while chunk := file.read1(BATCH_BYTES):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[: line_limit()]
        yield from _numbered(whole, after=number)
        number += len(whole)
    yield from _numbered([rest], after=number)


def _numbered(lines: Iterable[bytes], *, after: int) -> Iterator[Lines]:
    numbered = [
        (number, text)
        for number, line in enumerate(lines, after + 1)
        if (text := line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip())
    ]
    for start in range(0, len(numbered), BATCH_LINES):
        yield numbered[start : start + BATCH_LINES]


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends to one server.

    ``url`` is that of the API, like ``https://chain.example.com/api/v1``; ``options`` are named in
    its query. After ``give_up_seconds`` without an answer, :class:`ServerAway` is raised.
    ``notify`` is called with a sentence before each wait.
    """

    url: str
    key: str
    options: Sequence[str] = ()
    give_up_seconds: float = 600
    notify: Callable[[str], None] = lambda sentence: None
    _opener: Any = field(default_factory=lambda: urllib.request.build_opener(_NoRedirect))

    def send(self, lines: Lines) -> Iterator[LineAnswer]:
        """Send lines and yield the answer to each, in order. Raises :class:`ServerRefused` and
        :class:`ServerAway`."""
        wait, failing_since, size = FIRST_WAIT, time.monotonic(), len(lines)
        while lines:
            done = 0
            try:
                for answer in self._post(lines[:size]):
                    yield answer
                    done += 1
                    wait, failing_since = FIRST_WAIT, time.monotonic()
            except _Interrupted as interrupted:
                pause = interrupted.wait if interrupted.wait is not None else wait
                if time.monotonic() + pause - failing_since > self.give_up_seconds:
                    raise ServerAway(str(interrupted)) from interrupted
                if lines[done:]:
                    self.notify(f"{interrupted}; trying again in {pause:.0f} s")
                    time.sleep(pause)
                wait = min(2 * wait, LONGEST_WAIT)
            except _TooLarge as refused:
                if size == 1 and not done:
                    raise ServerRefused(str(refused)) from refused
                size = done or size // 2  # it may have read as many as it takes
            lines = lines[done:]

    def _post(self, lines: Lines) -> Iterator[LineAnswer]:
        """Send lines in one request; raises :class:`_Interrupted` after the last answered line."""
        query = "&".join(f"{name}=true" for name in self.options)
        request = urllib.request.Request(  # noqa: S310 (the scheme is checked by checked_url)
            f"{self.url}/events/batch" + (query and f"?{query}"),
            b"\n".join(line for _, line in lines),
            {
                "Authorization": f"Bearer {self.key}",
                "Content-Type": "application/x-ndjson",
                "User-Agent": "zhilian-neural submit_event",
            },
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                yield from _answers(lines, response)
        except urllib.error.HTTPError as error:
            raise _of_status(error, self.url) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _Interrupted(f"{self.url} does not answer: {reason}") from error


def checked_url(url: str) -> str:
    """The address without a final slash; raises ValueError unless it is one of HTTP."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url!r} is no address like https://chain.example.com/api/v1")
    return url.rstrip("/")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Never sends the key to another address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _of_status(error: urllib.error.HTTPError, url: str) -> Exception:
    try:
        problem = json.loads(error.read(64 * 1024))
        detail = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError, OSError, HTTPException):
        detail = error.reason
    wait = error.headers.get("Retry-After", "")
    if location := error.headers.get("Location"):
        detail = f"{detail}; it redirects to {location}: give that address"
    seconds = float(wait) if wait.isascii() and wait.isdigit() else None
    return _failure(error.code, f"{url} answers {error.code}: {detail}", seconds)


def _failure(status: int, text: str, wait: float | None = None) -> Exception:
    """What an answer of this status to a whole request means."""
    if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _TooLarge(text)
    return _Interrupted(text, wait) if status in _TRIED_AGAIN else ServerRefused(text)


def _answers(lines: Lines, response: Iterable[bytes]) -> Iterator[LineAnswer]:
    """The answers in a response. Raises :class:`_Interrupted` if it ends before its summary."""
    left = iter(lines)
    for raw in response:
        try:
            answer = json.loads(raw)
            if "summary" in answer:
                return
            if problem := answer.get("problem"):  # why it stopped in the middle of the batch
                text = f"the server stopped: {problem.get('detail') or problem['status']}"
                raise _failure(problem["status"], text)
            answered = LineAnswer(next(left)[0], _submission(answer))
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
            raise ServerRefused("the answer is not that of an API of events") from error
        yield answered
    raise _Interrupted("the answer ended early")


def _submission(answer: Mapping[str, Any]) -> Submission:
    if (status := int(answer["status"])) not in _ACCEPTED:
        errors = answer.get("errors") or [{"field": "event", "reason": HTTPStatus(status).phrase}]
        return Submission.refused(_problems(errors))
    is_known = answer.get("verdict") == Verdict.DUPLICATE  # new in a dry run has 200, too
    verdict = Verdict.DUPLICATE if is_known else Verdict.NEW
    return Submission(verdict=verdict, warnings=_problems(answer.get("warnings", ())))


def _problems(named: Iterable[Mapping[str, Any]]) -> tuple[Problem, ...]:
    return tuple(Problem(str(each["field"]), str(each["reason"])) for each in named)
