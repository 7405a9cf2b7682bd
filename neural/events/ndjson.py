"""Submits events from NDJSON: one JSON object a line, with the arguments of ``neural.submit``.

A line that cannot be read is refused like an invalid event, and the lines around it are submitted.
Memory does not grow with the input.
"""

import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from neural.events.answers import Problem, Submission
from neural.events.redaction import as_text, kept_of_unread
from neural.events.refusals import Refusal
from neural.events.submit import submit_many
from neural.events.types import largest_byte_limit
from neural.kit.conf import conf
from neural.kit.stored_json import depth_problem

# JSON may write a character of three bytes as an escape of six. The rest leaves room for the fields
# around the payload.
_LINE_BYTES_PER_PAYLOAD_BYTE = 8


@dataclass(frozen=True)
class LineAnswer:
    """The answer to one line; lines are counted from 1."""

    line: int
    submission: Submission


def line_limit() -> int:
    """A line of so many bytes is longer than any valid event."""
    return largest_byte_limit() * _LINE_BYTES_PER_PAYLOAD_BYTE


def bounded_lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the lines of a file. Of a line longer than any valid event, only the beginning."""
    limit = line_limit()
    while line := file.readline(limit):
        yield line
        while len(line) == limit and not line.endswith(b"\n"):
            line = file.readline(limit)


def submit_lines(lines: Iterable[bytes], **options: Any) -> Iterator[LineAnswer]:
    """Submit lines and yield an answer for each line that is not blank, in order; ``options`` are
    those of :func:`submit_many`.

    This is a generator: events are recorded, a chunk at a time, while its answers are read.
    """
    numbers: deque[int] = deque()

    def read() -> Iterator[Mapping[str, Any]]:
        for number, line in enumerate(lines, 1):
            if line.strip():
                numbers.append(number)
                yield _read(line, number)  # type: ignore[misc]  # submit_many takes refusals, too

    for answer in submit_many(read(), **options):
        yield LineAnswer(numbers.popleft(), answer)


def _read(line: bytes, number: int) -> Mapping[str, Any] | Refusal:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        event = json.loads(text)
    except UnicodeDecodeError as error:
        return _refused(line, f"is not UTF-8: {error.reason} at byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return _refused(line, f"is not JSON: {error.msg} at character {error.colno}")
    except RecursionError:
        return _refused(line, depth_problem(None, conf().max_json_depth))
    except ValueError as error:  # a number of 5,000 digits
        return _refused(line, f"is not JSON that can be read: {error}")
    if not isinstance(event, dict):
        return _refused(line, "must be one JSON object, {…}, on a line of its own")
    return event


def _refused(line: bytes, reason: str) -> Refusal:
    """The refusal of a line whose type nobody knows, so it may contain the headers of a push."""
    kept = kept_of_unread(as_text(line.strip()))
    return Refusal(payload=kept, problems=(Problem("event", reason),))
