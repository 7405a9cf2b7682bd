"""Reads lines for sending: in batches, from a file or a pipe, and from where a run stopped."""

import hashlib
import json
import os
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from neural.errors import NeuralError
from neural.events.ndjson import bounded_lines
from neural.management.sending import BATCH_BYTES, BATCH_LINES, Lines

_WAITING_LINES = 2 * BATCH_LINES


class InputChanged(NeuralError):
    """The input is not the one of which a part was sent."""


@dataclass
class Position:
    """How many lines have been answered, kept in a file so that the next run resumes there."""

    path: Path | None
    lines: int = 0
    digest: str = ""
    """A hash of the last of these lines: the next run checks that its input is the same."""
    url: str = ""
    """The server that answered them: another one knows none of them."""

    @classmethod
    def read(cls, path: Path | None, url: str) -> "Position":
        """The kept position, or the beginning. Raises :class:`InputChanged` for another file, and
        for the position at another server."""
        if path is None or not path.exists():
            return cls(path, url=url)
        try:
            stored = json.loads(path.read_text())
            found = cls(path, int(stored["lines"]), str(stored["digest"]), str(stored["url"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputChanged(f"{path} is not a position: delete it to start again") from error
        if found.url != url:
            raise InputChanged(
                f"{path} says what was sent to {found.url}, not to {url}. Name another file with "
                "--position, or delete it to send the input from the beginning"
            )
        return found

    def advance(self, line: int, text: bytes) -> None:
        """Keep that this line and all before it have been answered."""
        self.lines, self.digest = line, _digest(text)
        if self.path is not None:
            stored = self.path.with_name(self.path.name + ".new")
            stored.write_text(
                json.dumps({"lines": self.lines, "digest": self.digest, "url": self.url})
            )
            os.replace(stored, self.path)

    def forget(self) -> None:
        """Everything has been answered."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def remaining(self, lines: Iterator[bytes]) -> Iterator[tuple[int, bytes]]:
        """The numbered lines after the position that are not blank."""
        number, last = 0, b""
        for number, last in enumerate(lines, 1):
            if number == self.lines and _digest(last) != self.digest:
                raise InputChanged(
                    f"line {number} is not the one that was sent: the input has changed. "
                    f"Delete {self.path} to send it from the beginning"
                )
            if number > self.lines and last.strip():
                yield number, last
        if number < self.lines:
            raise InputChanged(
                f"the input ends at line {number}, but {self.lines} lines were sent before. "
                f"Delete {self.path} to send it from the beginning"
            )


def _digest(line: bytes) -> str:
    return hashlib.blake2b(line.rstrip(b"\r\n"), digest_size=16).hexdigest()


def batches(lines: Iterator[tuple[int, bytes]]) -> Iterator[Lines]:
    """Lines in batches that are not too large for a request. A pipe's line is not held back until
    a batch is full: while one batch is sent, the lines of the next gather."""
    waiting: queue.Queue[tuple[int, bytes] | BaseException] = queue.Queue(_WAITING_LINES)

    def read() -> None:
        try:
            for numbered in lines:
                waiting.put(numbered)
            waiting.put(StopIteration())
        except BaseException as error:  # noqa: BLE001 (raised again where the batches are read)
            waiting.put(error)

    threading.Thread(target=read, daemon=True).start()
    while True:
        batch, end = _available(waiting)
        if batch:
            yield batch
        if isinstance(end, StopIteration):
            return
        if end is not None:
            raise end


def _available(
    waiting: "queue.Queue[tuple[int, bytes] | BaseException]",
) -> tuple[Lines, BaseException | None]:
    """At least one of the waiting lines, and the end or the error that follows them, if any."""
    batch: list[tuple[int, bytes]] = []
    size = 0
    while not batch or (not waiting.empty() and len(batch) < BATCH_LINES and size < BATCH_BYTES):
        item = waiting.get()
        if isinstance(item, BaseException):
            return batch, item
        batch.append(item)
        size += len(item[1])
    return batch, None


def read_lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines of a file, of which a byte order mark is not a part."""
    for number, line in enumerate(bounded_lines(file), 1):
        yield line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
