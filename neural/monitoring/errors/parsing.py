"""Parses the text of a Python traceback, as an attempt keeps it. Imports no Django.

The text may be cut in its middle, hold a chain of exceptions and exception groups, and a message
may contain another traceback, of a worker process or of another server.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

_CHAIN = re.compile(
    r"\n\n(?:The above exception was the direct cause of the following exception:"
    r"|During handling of the above exception, another exception occurred:)\n\n"
)
_FRAME = re.compile(r' {2}File "(?P<path>.*)", line \d+(?:, in (?P<function>.*))?')
_REPEATED = re.compile(r" {2}\[Previous line repeated (\d+) more times?\]")
_CUT = re.compile(r"… [\d,]+ characters left out …")
_HEADER = re.compile(r"(?: *\+ )?(?:Exception Group )?Traceback \(most recent call last\):")
_EXCEPTION = re.compile(r"(?P<type>[^\W\d][\w.]*(?:\.<locals>\.[\w.]+)*)(?::(?: (?P<said>.*))?)?")
_MEMBER = re.compile(r" *(?:\+-)?\+-{16} (?P<number>\d+|\.\.\.) -{16}")
_FIRST_MEMBER = re.compile(r" *\+-\+-{16} 1 -{16}")
_END_OF_GROUP = re.compile(r" *\+-{36}")
_MARGIN = re.compile(r" *\| ?")
DEEPEST_GROUP = 12


@dataclass(frozen=True)
class Frame:
    """A frame of a traceback. The function of a SyntaxError's place is empty."""

    path: str
    function: str
    times: int = 1
    """How often Python says that it was repeated in a row."""


@dataclass(frozen=True)
class Raised:
    """An exception with its frames, the outermost first, and what it was caused by."""

    kind: str
    """The type, with its module unless it is built in."""
    message: str
    frames: Sequence[Frame] = ()
    before: Sequence["Raised"] = ()
    """The exceptions that led to it, the first one first."""
    members: Sequence["Raised"] = ()
    """The exceptions of an exception group."""

    @property
    def root(self) -> "Raised":
        """The exception at the beginning of the chain."""
        return self.before[0].root if self.before else self


def parse(text: str, *, error: str = "") -> Raised | None:
    """The exception that a traceback tells of; None if the text is none.

    ``error`` is its class and message in one line: by it the exception is told from one in whose
    message a traceback with a chain of its own stands.
    """
    return _chain(text.strip("\n"), error, DEEPEST_GROUP)


def _chain(text: str, error: str, depth: int) -> Raised | None:
    parts = _CHAIN.split(text)
    starts = [0, *(found.end() for found in _CHAIN.finditer(text))]
    last = next(
        (
            number
            for number in range(len(parts) - 1, -1, -1)
            if error and _is_of(_single(text[starts[number] :], depth), error)
        ),
        len(parts) - 1,
    )
    found = _single(text[starts[last] :], depth)
    if found is None:
        return None
    before = [each for each in (_single(part, depth) for part in parts[:last]) if each]
    return replace(found, before=before)


def _is_of(raised: Raised | None, error: str) -> bool:
    if raised is None:
        return False
    said = " ".join(raised.message.split())
    told = f"{raised.kind.rpartition('.')[2]}: {said}" if said else raised.kind.rpartition(".")[2]
    return told[:60] == error[:60]


def _single(text: str, depth: int) -> Raised | None:
    """One exception, without what led to it."""
    lines = text.split("\n")
    if lines and re.match(r" *\+ Exception Group", lines[0]):
        lines = [re.sub(r"^ *\+ ", "", lines[0]), *lines[1:]]
    own, rest = _until_members(lines)
    frames, after = _frames(own)
    if not after:
        return None
    found = _EXCEPTION.fullmatch(after[0])
    kind, said = (found["type"], found["said"] or "") if found else ("", after[0])
    message = "\n".join([said, *after[1:]]).strip()
    members = list(_members(rest, depth - 1)) if rest and depth else []
    return Raised(kind, message, frames, members=members)


def _until_members(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """The lines of an exception itself, without margins, and those of the members of a group."""
    margin = bool(len(lines) > 1 and re.match(r" +\| ", lines[1]))
    first = next(
        (number for number, line in enumerate(lines) if _FIRST_MEMBER.fullmatch(line)), len(lines)
    )
    own = [_MARGIN.sub("", line, count=1) if margin else line for line in lines[:first]]
    return own, list(lines[first:])


def _members(lines: Sequence[str], depth: int) -> Iterator[Raised]:
    """The exceptions of a group: each between two lines of the same indentation."""
    head = len(lines[0]) - len(lines[0].lstrip(" ")) + 2  # of "+-+---- 1": the second plus
    block: list[str] | None = None
    for line in [*lines, " " * head + "+" + "-" * 36]:
        found = _MEMBER.fullmatch(line)
        indentation = len(line) - len(line.lstrip(" "))
        is_first = found is not None and "+-+-" in line and indentation + 2 == head
        is_next = found is not None and "+-+-" not in line and indentation == head
        if is_first or is_next or (_END_OF_GROUP.fullmatch(line) and indentation == head):
            if block:
                inner = _chain("\n".join(block).strip("\n"), "", depth)
                if inner is not None:
                    yield inner
            block = [] if found is None or found["number"] != "..." else None
        elif block is not None:
            block.append(_without_margin(line, head))


def _without_margin(line: str, head: int) -> str:
    margin = " " * head + "|"
    if line.startswith(margin):
        return line[len(margin) + 1 :]
    return line


def _frames(lines: Sequence[str]) -> tuple[list[Frame], list[str]]:
    """The frames of an exception, and the lines from the exception's own line on."""
    frames: list[Frame] = []
    position, is_trace = 0, False
    while position < len(lines):
        line = lines[position]
        position += 1
        if found := _FRAME.fullmatch(line):
            frames.append(Frame(found["path"], found["function"] or ""))
        elif found := _REPEATED.fullmatch(line):
            if frames:
                frames[-1] = replace(frames[-1], times=frames[-1].times + int(found[1]))
        elif _CUT.fullmatch(line):
            position += 1  # what follows begins in the middle of a line
        elif _HEADER.fullmatch(line):
            if is_trace and frames:
                frames = []  # the text was cut within an exception, and this is another one
            is_trace = True
        elif line and not line.startswith(" "):
            return frames, list(lines[position - 1 :])
    return frames, []
