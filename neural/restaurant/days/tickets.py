"""Gaps in a till's sequence of tickets. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

MOST_DIGITS = 9
"""A number with more digits is an id and no ticket."""
MOST_MISSING = 50
"""Numbers are no sequence, but ids, if so many are missing for each that is known."""

_TICKET = re.compile(r"(?P<prefix>.*?)(?P<digits>[0-9]+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Gap:
    """Tickets that are missing, from the first to the last."""

    first: str
    last: str
    count: int


def gaps(tickets: Iterable[str], *, first: str = "", last: str = "") -> list[Gap]:
    """What is missing in each sequence: tickets with the same prefix and a number at the end.

    A sequence goes from the till's ``first`` to its ``last`` ticket where these are stated and of
    its prefix, else from its lowest to its highest. Tickets without a number at the end, and ids,
    are left out.
    """
    known: defaultdict[str, dict[int, str]] = defaultdict(dict)
    for prefix, digits in filter(None, map(_split, tickets)):
        known[prefix][int(digits)] = digits
    begin, end = _split(first), _split(last)
    if begin and end and begin[0] == end[0]:
        known.setdefault(begin[0], {})
    return [
        gap
        for prefix in sorted(known)
        for gap in _missing(prefix, known[prefix], _edge(begin, prefix), _edge(end, prefix))
    ]


def begin_again(tills: Iterable[Iterable[str]]) -> bool:
    """Whether tills give the same tickets, each in a sequence of its own."""
    known = [{(found[0], int(found[1])) for found in map(_split, till) if found} for till in tills]
    return sum(map(len, known)) > len(set().union(*known))


def _split(ticket: str) -> tuple[str, str] | None:
    found = _TICKET.match(ticket)
    if found is None or len(found["digits"]) > MOST_DIGITS:
        return None
    return found["prefix"], found["digits"]


def _edge(stated: tuple[str, str] | None, prefix: str) -> str:
    """The stated number, if it is of this sequence."""
    return stated[1] if stated and stated[0] == prefix else ""


def _missing(prefix: str, known: Mapping[int, str], first: str, last: str) -> Iterator[Gap]:
    low = int(first) if first else min(known)
    high = int(last) if last else max(known)
    if low > high:  # the numbers began again within the day
        return
    numbers = [low - 1, *sorted(each for each in known if low <= each <= high), high + 1]
    missing = high - low + 1 - (len(numbers) - 2)
    if not (first and last) and missing > MOST_MISSING * len(known):
        return
    width = _width(known.values(), first)
    for before, after in pairwise(numbers):
        if after - before > 1:
            first, last = (f"{prefix}{number:0{width}}" for number in (before + 1, after - 1))
            yield Gap(first, last, count=after - before - 1)


def _width(written: Iterable[str], first: str) -> int:
    """How many digits a number has at least: as many as one that is padded with zeros."""
    padded = (len(digits) for digits in (*written, first) if digits.startswith("0"))
    return max(padded, default=1)
