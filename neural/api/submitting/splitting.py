"""Splits the body of a batch into its events while it arrives: lines, or the elements of a list.

Nothing but the event that is being read is kept in memory.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from neural.api.submitting.requests import DECODER, NotReadable, not_readable, read_json

Raw = bytes | str


class Element(NamedTuple):
    """One event of a batch: where it is, its text, and a function that returns its value or raises
    :class:`NotReadable`."""

    place: int
    raw: Raw
    read: Callable[[], Any]


class BrokenList(NotReadable):
    """A JSON list cannot be read further."""


def lines(pieces: Iterable[bytes], limit: int) -> Iterator[Element]:
    """The lines of NDJSON that are not blank, counted from 1. A line of more than ``limit`` bytes
    is an element that cannot be read."""
    for number, line in enumerate(_lines(pieces, limit), 1):
        if len(line) > limit:
            yield Element(number, line[:100], partial(_refuse, _too_long(limit)))
        elif line.strip():
            # Only at the beginning of a file, U+FEFF is a mark.
            reads = read_json if number == 1 else _read_line
            yield Element(number, line, partial(reads, line))


def _read_line(line: bytes) -> Any:
    if line.startswith(codecs.BOM_UTF8):
        raise NotReadable("is not JSON: a byte order mark in the middle of a text")
    return read_json(line)


def _lines(pieces: Iterable[bytes], limit: int) -> Iterator[bytes]:
    """The lines; of one longer than ``limit`` bytes, a beginning that is longer, too."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > 2 * limit:
            rest = rest[: limit + 1]
    if rest:
        yield rest


def elements(pieces: Iterable[bytes], limit: int) -> Iterator[Element]:
    """The elements of a JSON list, counted from 0. Raises :class:`BrokenList` where it cannot be
    read further; an element that cannot be read is one that its ``read`` refuses."""
    text = _Text(pieces)
    text.skip(_MARK)
    if text.skip(_SPACE) != "[":
        raise BrokenList("is not a JSON list")
    text.at += 1
    if text.skip(_SPACE) == "]":
        return _end(text)
    place = 0
    while True:
        yield _element(text, place, limit)
        place += 1
        following = text.skip(_SPACE)
        if following not in (",", "]"):
            raise BrokenList(f"is not a JSON list: no comma after element {place - 1}")
        text.at += 1
        if following == "]":
            return _end(text)
        text.skip(_SPACE)


_MARK = "\ufeff"
_SPACE = " \t\r\n"


def _end(text: "_Text") -> None:
    text.at += text.buffer[text.at : text.at + 1] == "]"
    if text.skip(_SPACE):
        raise BrokenList("has text after the end of the list")


class _Text:
    """Text that arrives in pieces; what lies before ``at`` has been read."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        # Bytes that are not UTF-8 become halves of surrogate pairs, so that only the element in
        # which they are is refused.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.buffer = ""
        self.at = 0

    def more(self, characters: int = 1) -> bool:
        """Add at least so many characters, and forget what was read. Returns whether any came."""
        added: list[str] = []
        while characters > 0:
            piece = next(self._pieces, b"")
            added.append(self._decoder.decode(piece, final=not piece))
            characters -= len(added[-1])
            if not piece:
                break
        self.buffer = "".join((self.buffer[self.at :], *added))
        self.at = 0
        return any(added)

    def skip(self, characters: str) -> str:
        """Skip these characters; returns the next one, or nothing at the end."""
        while True:
            while self.at < len(self.buffer):
                if self.buffer[self.at] not in characters:
                    return self.buffer[self.at]
                self.at += 1
            if not self.more():
                return ""


def _element(text: _Text, place: int, limit: int) -> Element:
    """The element that begins here. While it cannot be read, more text is added, each time as much
    as there is, so that a large element is not read anew for each piece."""
    while True:
        try:
            value, end = DECODER.raw_decode(text.buffer, text.at)
            read: Callable[[], Any] = partial(_same, value)
            is_whole = isinstance(value, dict | list | str)  # a number may go on
        except (ValueError, RecursionError) as error:
            read, is_whole = partial(_refuse, str(not_readable(error))), False
        if not is_whole:
            found = _end_of(text.buffer, text.at)
            if found is None:
                if len(text.buffer) - text.at > limit:
                    raise BrokenList(f"at element {place}: {_too_long(limit)}")
                if text.more(max(1, len(text.buffer) - text.at)):
                    continue
                raise BrokenList(f"ends within element {place}")
            end = found
        raw = text.buffer[text.at : end]
        text.at = end
        if not raw.isascii() and _NOT_UTF8.search(raw):
            read = partial(_refuse, "is not UTF-8")
        return Element(place, raw, read)


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},"]', re.DOTALL)
_NOT_UTF8 = re.compile("[\udc80-\udcff]")
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}
_DEEPEST = 100_000
"""No valid event is nearly so deep. Looking for the end of mere brackets would take seconds."""


def _end_of(buffer: str, start: int) -> int | None:
    """Where the element that begins at ``start`` ends, by its brackets alone; None if that is not
    in the buffer."""
    depth = 0
    for token in _TOKEN.finditer(buffer, start):
        mark = token[0]
        if mark == '"':
            return None  # a string without an end
        if depth == 0 and mark in ("]", "}", ","):
            return token.start()
        depth += _STEPS.get(mark, 0)
        if depth > _DEEPEST:
            raise BrokenList(f"has an element of more than {_DEEPEST:,} levels")
        if depth == 0 and mark in ("]", "}"):
            return token.end()
    return None


def _same(value: Any) -> Any:
    return value


def _refuse(reason: str) -> Any:
    raise NotReadable(reason)


def _too_long(limit: int) -> str:
    return f"is longer than {limit:,} bytes, which no valid event is"
