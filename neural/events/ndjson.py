"""Events as NDJSON: one JSON object a line, with the arguments of ``neural.submit``.

A line that cannot be read is answered like an event that was refused, so that the good
lines around it go in. Memory does not grow with the input.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

from neural.conf import conf
from neural.events.answers import Problem, Submission
from neural.events.submit import submit_many

# JSON may write a character of three bytes as an escape of six; the rest is for the fields
# around the payload.
_LINE_BYTES_PER_PAYLOAD_BYTE = 8


@dataclass(frozen=True)
class LineAnswer:
    """What became of one line; lines are counted from 1."""

    line: int
    submission: Submission


def bounded_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that no event can need, only the beginning."""
    limit = conf().max_json_bytes * _LINE_BYTES_PER_PAYLOAD_BYTE
    while line := file.readline(limit):
        yield line
        while len(line) == limit and not line.endswith(b"\n"):
            line = file.readline(limit)


def submit_lines(
    lines: Iterable[bytes], *, backfill: bool = False, requested_by: str = ""
) -> Iterator[LineAnswer]:
    """Submit lines as they come and answer for each that is not blank, in order.

    A generator: events are recorded, a chunk at a time, as the answers are taken.
    """
    numbered = enumerate(lines, 1)
    while chunk := list(islice(numbered, conf().submit_chunk)):
        read = [(number, _read(line, number)) for number, line in chunk if line.strip()]
        events = [event for _, event in read if not isinstance(event, Submission)]
        recorded = submit_many(events, backfill=backfill, requested_by=requested_by)
        for number, event in read:
            yield LineAnswer(number, event if isinstance(event, Submission) else next(recorded))


def _read(line: bytes, number: int) -> Mapping[str, Any] | Submission:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        event = json.loads(text)
    except UnicodeDecodeError as error:
        return _refused(f"is not UTF-8: {error.reason} at byte {error.start + 1}")
    except json.JSONDecodeError as error:
        return _refused(f"is not JSON: {error.msg} at character {error.colno}")
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, 10,000 brackets
        return _refused(f"is not JSON that can be read: {error}")
    if not isinstance(event, dict):
        return _refused("must be one JSON object, {…}, on a line of its own")
    return event


def _refused(reason: str) -> Submission:
    return Submission.refused([Problem("event", reason)])
