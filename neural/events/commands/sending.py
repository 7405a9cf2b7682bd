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
from email.message import Message
from http import HTTPStatus
from http.client import HTTPException
from typing import Any

from neural.events.answers import Problem, Verdict
from neural.kit.errors import NeuralError

BATCH_LINES = 1000
BATCH_BYTES = 4 * 1024 * 1024
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
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


@dataclass(frozen=True)
class Answered:
    """The server's answer to one line."""

    line: int
    verdict: Verdict
    problems: Sequence[Problem] = ()
    warnings: Sequence[Problem] = ()


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends to one server.

    ``url`` is that of the API, like ``https://chain.example.com/api/v1``. After
    ``give_up_seconds`` without an answer, :class:`ServerAway` is raised. ``notify`` is called with
    a sentence before each wait.
    """

    url: str
    key: str
    backfill: bool = False
    strict: bool = False
    dry_run: bool = False
    timeout: float = 60
    give_up_seconds: float = 600
    notify: Callable[[str], None] = lambda sentence: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _opener: Any = field(default_factory=lambda: urllib.request.build_opener(_NoRedirect))

    def send(self, lines: Lines) -> Iterator[Answered]:
        """Send one batch and yield the answer to each line, in order. Raises
        :class:`ServerRefused` and :class:`ServerAway`."""
        wait, failing_since = FIRST_WAIT, self.clock()
        while lines:
            done = 0
            try:
                for answered in self._post(lines):
                    yield answered
                    done += 1
                    wait, failing_since = FIRST_WAIT, self.clock()
                return
            except _Interrupted as interrupted:
                lines = lines[done:]
                if not lines:
                    return
                pause = interrupted.wait if interrupted.wait is not None else wait
                if self.clock() + pause - failing_since > self.give_up_seconds:
                    raise ServerAway(str(interrupted)) from interrupted
                self.notify(f"{interrupted}; trying again in {pause:.0f} s")
                self.sleep(pause)
                wait = min(2 * wait, LONGEST_WAIT)
            except _TooLarge as refused:
                if len(lines) == 1 and not done:
                    raise ServerRefused(str(refused)) from refused
                if not done:  # else the server has read as many as it takes
                    yield from self.send(lines[: len(lines) // 2])
                    done = len(lines) // 2
                lines = lines[done:]

    def _post(self, lines: Lines) -> Iterator[Answered]:
        """Send lines in one request; raises :class:`_Interrupted` after the last answered line."""
        body = b"\n".join(line.strip() for _, line in lines)
        try:
            with self._opener.open(self._request(body), timeout=self.timeout) as response:
                yield from _answers(lines, response)
        except urllib.error.HTTPError as error:
            raise _of_status(error, self.url) from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", error)
            raise _Interrupted(f"{self.url} does not answer: {reason}") from error

    def _request(self, body: bytes) -> urllib.request.Request:
        asked = [name for name in ("backfill", "strict", "dry_run") if getattr(self, name)]
        query = "".join(f"{'&' if place else '?'}{each}=true" for place, each in enumerate(asked))
        headers = {
            "Authorization": f"Bearer {self.key}",
            "Content-Type": "application/x-ndjson",
            "User-Agent": "zhilian-neural submit_event",
        }
        return urllib.request.Request(  # noqa: S310 (the scheme is checked by checked_url)
            f"{self.url}/events/batch{query}", body, headers
        )


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
    text = _error_text(error)
    if error.code in _TRIED_AGAIN:
        return _Interrupted(f"{url} answers {text}", _retry_after(error.headers))
    if error.code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _TooLarge(f"{url} answers {text}")
    if location := error.headers.get("Location"):
        text += f"; it redirects to {location}: give that address"
    return ServerRefused(f"{url} answers {text}")


def _error_text(error: urllib.error.HTTPError) -> str:
    try:
        problem = json.loads(error.read(64 * 1024))
        detail = problem.get("detail") or problem.get("title")
    except (ValueError, AttributeError, OSError, HTTPException):
        detail = error.reason
    return f"{error.code}: {detail}"


def _retry_after(headers: Message) -> float | None:
    given = headers.get("Retry-After", "")
    return float(given) if given.isascii() and given.isdigit() else None


def _answers(lines: Lines, response: Iterable[bytes]) -> Iterator[Answered]:
    """The answers in a response. Raises :class:`_Interrupted` if it ends before its summary."""
    left = iter(lines)
    for raw in response:
        try:
            answer = json.loads(raw)
            if "summary" in answer:
                return
            if "problem" in answer:
                raise _of_problem(answer["problem"])
            status = int(answer["status"])
            number, _ = next(left)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise ServerRefused("the answer is not that of an API of events") from error
        yield _answered(number, answer, status)
    raise _Interrupted("the answer ended early")


def _of_problem(problem: Mapping[str, Any]) -> Exception:
    """Why the server stopped in the middle of a batch."""
    text = f"the server stopped: {problem.get('detail') or problem['status']}"
    if problem["status"] == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return _TooLarge(text)
    return _Interrupted(text) if problem["status"] in _TRIED_AGAIN else ServerRefused(text)


def _answered(line: int, answer: Mapping[str, Any], status: int) -> Answered:
    if status in _ACCEPTED:
        is_known = answer.get("verdict") == Verdict.DUPLICATE  # new in a dry run has 200, too
        verdict = Verdict.DUPLICATE if is_known else Verdict.NEW
        return Answered(line, verdict, warnings=_problems(answer.get("warnings", ())))
    errors = answer.get("errors") or [{"field": "event", "reason": HTTPStatus(status).phrase}]
    return Answered(line, Verdict.REFUSED, _problems(errors))


def _problems(named: Iterable[Mapping[str, Any]]) -> Sequence[Problem]:
    return [Problem(str(each["field"]), str(each["reason"])) for each in named]
