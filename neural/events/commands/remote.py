"""How `submit_event` sends to another deployment: its options, the lines in batches, and from where
a run stopped.
"""

import hashlib
import json
import os
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from django.core.management import CommandError

from neural.events.commands.sending import BATCH_BYTES, BATCH_LINES, Lines, Sender, checked_url
from neural.events.ndjson import bounded_lines
from neural.kit.errors import NeuralError

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


WRONG_USAGE = 2
AWAY = 3
KEY_VARIABLE = "ZN_API_KEY"
GIVE_UP_SECONDS = 600


def position_of(name: str | None, given: str | None, url: str) -> Position:
    """Where to resume at this server: only a file has a position of its own."""
    if given is None and name in (None, "-"):
        return Position(None)
    try:
        return Position.read(Path(given or f"{name}.position"), url)
    except (InputChanged, OSError) as error:
        raise CommandError(f"--position: {error}", returncode=WRONG_USAGE) from error


def sender_of(options: Mapping[str, Any], notify: Callable[[str], None]) -> Sender:
    """The sender for the server and key that the options or the environment name."""
    key = options["key"] or os.environ.get(KEY_VARIABLE, "")
    try:
        if key.startswith("@"):
            key = Path(key[1:]).read_text().strip()
        url = checked_url(options["url"])
    except (OSError, ValueError) as error:
        raise CommandError(str(error), returncode=WRONG_USAGE) from error
    if not re.fullmatch(r"[!-~]+", key):
        raise CommandError(
            f"--key: missing, or no key. Write --key @file, or set {KEY_VARIABLE}",
            returncode=WRONG_USAGE,
        )
    return Sender(
        url=url,
        key=key,
        backfill=options["backfill"],
        strict=options["strict"],
        dry_run=options["dry_run"],
        give_up_seconds=options["give_up_seconds"],
        notify=notify,
    )


def stopped_sending(error: BaseException, position: Position) -> CommandError:
    """The error after an input that was not sent to its end; it says how to resume."""
    why = "stopped" if isinstance(error, KeyboardInterrupt) else str(error)
    how = (
        "type the same again to resume"
        if position.path
        else "send the same input again: what is recorded already counts as a duplicate"
    )
    return CommandError(
        f"{why}. Everything up to line {position.lines} is answered; {how}", returncode=AWAY
    )
