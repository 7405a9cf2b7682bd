"""Looking up a question in the words of an index: the tokens that stand for its parts, and the rows
that have them.

The questions of several collections are looked up side by side: what they ask at the same step is
read by the same statements.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from heapq import nlargest
from itertools import chain
from typing import Any

from neural.retrieval.collections.trade import CALLED
from neural.retrieval.query.evidence import (
    BEGINNINGS,
    NUMBER,
    SOUNDS,
    SPELLING,
    WORDS,
    Clue,
    Question,
    Sought,
)
from neural.retrieval.query.parsing import ParsedQuery, Part
from neural.retrieval.query.reading import Reading
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Within
from neural.retrieval.text import (
    characters_of,
    has_chinese,
    is_short_for,
    likeness,
    name_forms,
    pieces,
    sound_of,
    syllables_of,
)

_LISTED, _TAKEN = 400, 120
"""Rows of each part that are read, the newest; and rows that are ranked."""
_FEW, _LISTED_FOR_FEW, _TAKEN_FOR_FEW = 3, 60, 40
"""Hits for which fewer are: each key that is typed asks for so many of each collection."""
NEAREST = 40
"""Rows that are read for their meaning alone."""
_LOOKED_AT = 20
"""Rows that are read first to see whether any may be seen: most often one may."""
_BEGINNINGS, _NUMBERS, _ALIKE = 12, 60, 40
_SHORTEST_BEGINNING, _SHORTEST_NUMBER, _SHORTEST_MISSPELT = 2, 3, 4
_BEGINS, _ENDS, _SLIP, _MISSPELT = 0.8, 0.8, 0.5, 0.7
_LEAST_LIKENESS, _SAME, _SHORTENED = 0.5, 0.9, 0.8
_SHORTEST_SHORTENED = 5
_LONGEST_INITIALS = 12
_ALPHABET = {True: "0123456789", False: "abcdefghijklmnopqrstuvwxyz"}
"""The signs of which one may be wrong: of numbers, and of words."""

_PHONE = re.compile(r"(?:0?0?86)?1[3-9]\d{5}(\d{4})")
"""A whole phone: of most records only its last digits are known."""

Requests = Sequence[words.Request]


@dataclass(kw_only=True)
class LookUp:
    """A question that is looked up in one index, and what has been found so far."""

    index: int
    reading: Reading
    every_row: int
    """The number of rows of the index."""
    hits: int
    """How many are asked for."""
    known: set[str] = field(default_factory=set)
    """Tokens of the question that are terms, and its numbers that rows have."""
    like: dict[Part, dict[str, Clue]] = field(default_factory=dict)
    """Terms that are like a part."""
    question: Question = field(init=False)
    having: list[Sequence[int]] = field(default_factory=list)
    """The rows that have each part, whatever is guessed to limit the search."""
    others: Sequence[int] = ()
    """Of a list, rows that are read if not all of the newest are within."""
    rows: list[words.Candidate] = field(default_factory=list)
    """The rows that may be ranked."""
    named: list[words.Candidate] = field(default_factory=list)
    """Of these, rows outside of the guessed limits: they alone have a number exactly."""

    @property
    def parsed(self) -> ParsedQuery:
        return self.reading.parsed

    @property
    def listed(self) -> int:
        return _LISTED_FOR_FEW if self.hits <= _FEW else _LISTED

    @property
    def taken(self) -> int:
        return _TAKEN_FOR_FEW if self.hits <= _FEW else _TAKEN

    @property
    def has_sound(self) -> bool:
        """Whether names are sought that sound like the whole question: none if one is called so."""
        return bool(self.parsed.sound) and f"={self.parsed.whole}" not in self.known

    def matching(
        self, groups: Sequence[Iterable[str]], within: Within, limit: int = 0
    ) -> words.Matching:
        asked = [tuple(sorted(each)) for each in groups]
        return words.Matching(self.index, asked, within, limit or self.listed)

    def rows_of(self, ids: Sequence[int]) -> words.Rows:
        return words.Rows(self.index, self.reading.wide, ids)

    def is_left_out(self, row: words.Candidate) -> bool:
        """Whether the question says to leave this row out."""
        return any(each.fits(row.words) for each in self.reading.without)


def look_up(look_ups: Sequence[LookUp]) -> None:
    """Take all steps of these, side by side. Each step asks for what the next one needs."""
    answers: list[list[Any]] = [[] for _ in look_ups]
    for step in _STEPS:
        asked = [step(look, *own) for look, own in zip(look_ups, answers, strict=True)]
        found = iter(words.read([*chain.from_iterable(asked)]))
        answers = [[next(found) for _ in requests] for requests in asked]


def more_rows(near: Sequence[tuple[LookUp, Mapping[str, float]]]) -> None:
    """Read the rows that are near in meaning, by cosines, and are not there yet. Those with a word
    are, though less near; a filter may leave out some."""
    asked = []
    for look, cosines in near:
        within = look.reading.within
        keys = cosines if within.is_narrow else nlargest(NEAREST, cosines, key=cosines.__getitem__)
        missing = set(keys).difference(row.key for row in look.rows)
        asked.append(words.Rows(look.index, within, keys=missing))
    for (look, _), found in zip(near, words.read(asked), strict=True):
        look.rows += [row for row in found if not look.is_left_out(row)]


# The steps. Each takes the answers to what the one before it asked for.


def _terms(look: LookUp) -> Requests:
    """Which tokens of the question are terms, and which of its numbers a row has."""
    tokens = {f"={name}" for name in look.parsed.names}
    tokens = tokens.union(*(part.tokens for part in look.parsed.parts))
    numbers = (part.tokens for part in look.parsed.parts if part.is_number)
    wide = look.reading.wide
    return [words.Known(look.index, tokens), *(look.matching([each], wide) for each in numbers)]


def _likenesses(look: LookUp, known: set[str], *having: Sequence[int]) -> Requests:
    """Terms that begin or end like a part, and names that sound like the whole question."""
    numbers = [part.text for part in look.parsed.parts if part.is_number]
    look.known = known.union(text for text, ids in zip(numbers, having, strict=True) if ids)
    starts = [start for part in look.parsed.parts for start in _starts(part, look)]
    names = _starts_of_names(look.parsed) if look.has_sound else ()
    return [
        words.Beginning(look.index, list(dict.fromkeys([*names, *starts]))),
        words.Alike(look.index, pieces(look.parsed.sound) if look.has_sound else (), _ALIKE),
    ]


def _slips(look: LookUp, begun: Mapping[Any, Sequence[str]], alike: Sequence[str]) -> Requests:
    """Which terms differ by one slip from a part that has no other."""
    parts = _joined(look.parsed.parts, look, begun)
    for part in parts:
        starts = _starts(part, look).items()
        look.like[part] = {token: clue for start, clue in starts for token in begun[start]}
    look.question = Question(
        parsed=look.parsed,
        sought=[],
        names=frozenset(each for each in look.parsed.names if f"={each}" in look.known),
        sounds=_sounds(look.parsed, alike, begun) if look.has_sound else {},
        every_row=look.every_row,
    )
    slips = [_one_slip_from(part) for part in parts if _may_be_a_slip(part, look)]
    return [words.Known(look.index, set[str]().union(*slips))]


def _rows_having(look: LookUp, slips: set[str]) -> Requests:
    """Which rows have each part, and most of them."""
    for part, like in look.like.items():
        clue = Clue(NUMBER, _SLIP) if part.is_number else Clue(SPELLING, _MISSPELT)
        if slips and _may_be_a_slip(part, look):
            like |= dict.fromkeys(_one_slip_from(part) & slips, clue)
        exact = Clue(NUMBER if part.is_number else WORDS, 1.0)
        look.question.sought.append(Sought(part, like | dict.fromkeys(part.tokens, exact)))
    sought, within, wide = look.question.sought, look.reading.within, look.reading.wide
    groups = [each.tokens for each in sought if each.part.weight >= 1]
    everything = [] if look.reading.lists else groups if len(groups) > 1 else [()]
    return [
        look.matching(everything, within, look.taken if sought else 0),
        look.matching([[f"={each}" for each in look.question.names]], within),
        look.matching([look.question.sounds], within),
        *(look.matching([each.tokens], wide if each.part.is_number else within) for each in sought),
        *(look.matching([each.tokens], wide) for each in (sought if wide != within else ())),
    ]


def _best_rows(
    look: LookUp,
    everything: Sequence[int],
    named: Sequence[int],
    heard: Sequence[int],
    *having: Sequence[int],
) -> Requests:
    """The rows that have most; of a list the newest."""
    sought = look.question.sought
    look.having = [*having[-len(sought) :]] if sought else []
    scores = Counter[int]()
    words_asked = sum(each.part.weight >= 1 for each in sought)
    for ids, worth in ((everything, float(words_asked)), (named, 2.0), (heard, 1.0)):
        scores.update(dict.fromkeys(ids, worth))
    for each, ids in zip(sought, having, strict=False):
        each.rows, each.is_common = len(ids), len(ids) >= look.listed
        if each.is_common:
            each.rows = max(look.listed, look.every_row // 5)
        scores.update(dict.fromkeys(ids, each.part.weight / (1 + len(ids)) ** 0.5))
    best = sorted(scores, key=lambda each: (-scores[each], -each))
    look.others = best[look.taken :] if look.reading.lists else []
    return [look.rows_of(best[: look.taken])]


def _first_unseen(look: LookUp, found: Sequence[words.Candidate]) -> Requests:
    """Whether a row that may be seen has each part that none of these has."""
    inside, outside = _divided(look, found)
    if look.reading.lists:
        look.rows = inside
        return [look.rows_of(look.others if len(inside) < look.taken else ())]
    for each in look.question.sought:
        if each.part.is_number and each.is_one and not any(map(each.is_exactly_in, inside)):
            look.named += [row for row in outside if each.is_exactly_in(row)]
    look.rows = [*inside[: look.taken], *look.named]
    shown = {row.id for row in found}
    for each, ids in zip(look.question.sought, look.having, strict=True):
        each.is_there = not shown.isdisjoint(ids)
    return _unseen(look, slice(_LOOKED_AT))


def _other_unseen(look: LookUp, *rows: Sequence[words.Candidate]) -> Requests:
    if look.reading.lists:
        look.rows += _divided(look, chain.from_iterable(rows))[0]
        return []
    _see(look, *rows)
    return _unseen(look, slice(_LOOKED_AT, None))


def _see(look: LookUp, *rows: Any) -> Requests:
    unseen = [each for each in look.question.sought if not each.is_there]
    for each, found in zip(unseen, rows, strict=True):
        each.is_there = bool(found)
    return []


def _unseen(look: LookUp, some: slice) -> Requests:
    sought = zip(look.question.sought, look.having, strict=True)
    return [look.rows_of(ids[some]) for each, ids in sought if not each.is_there]


def _divided(
    look: LookUp, found: Iterable[words.Candidate]
) -> tuple[list[words.Candidate], list[words.Candidate]]:
    """The rows within all limits, and those without what is guessed."""
    within, inside, outside = look.reading.within, list[Any](), list[Any]()
    for row in found:
        if not look.is_left_out(row):
            at = within.keys.get(row.key, row.at) if within.keys else row.at
            is_inside = words.fits(row, within)
            (inside if is_inside else outside).append(row._replace(at=at))
    return inside, outside


_STEPS: Sequence[Callable[..., Requests]] = (
    *(_terms, _likenesses, _slips, _rows_having, _best_rows),
    *(_first_unseen, _other_unseen, _see),
)


# What stands for a part


def _starts(part: Part, look: LookUp) -> dict[words.Start, Clue]:
    """How terms may begin that stand for a part."""
    text, known, is_last = part.text, look.known, part is look.parsed.parts[-1]
    if part.is_number:
        if len(text) < _SHORTEST_NUMBER or text in known:
            return {}
        if phone := _PHONE.fullmatch(text):
            return {words.Start("token", f"=尾号{phone[1]}", _NUMBERS): Clue(NUMBER, _ENDS)}
        return {
            words.Start("backwards", part.zeroed[::-1], _NUMBERS): Clue(NUMBER, _ENDS),
            words.Start("token", f"#{part.zeroed}", _NUMBERS): Clue(NUMBER, _BEGINS),
        }
    is_whole = (text in known or part.weight < 1) and not is_last
    if is_whole or has_chinese(text) or len(text) < _SHORTEST_BEGINNING:
        return {}
    return {words.Start("token", text, _BEGINNINGS): Clue(BEGINNINGS, _BEGINS)}


def _sounds(
    parsed: ParsedQuery,
    alike: Iterable[str],
    begun: Mapping[words.Start, Sequence[str]],
) -> dict[str, Clue]:
    """Names that sound like the whole query, begin so, or have its initials."""
    found: dict[str, Clue] = {}
    own = pieces(parsed.sound)
    may_be_short = not parsed.chinese and len(parsed.sound) >= _SHORTEST_SHORTENED
    for token in alike:
        name = token.removeprefix("=")
        like = likeness(own, pieces(sound_of(name)))
        if parsed.chinese:
            like = max(like, likeness(parsed.characters, characters_of(name)))
        is_word = name in _words_of_the_trade() and has_chinese(name) == parsed.chinese
        if token == name or (is_word and like < 1):
            continue
        if like >= _LEAST_LIKENESS:
            found[token] = Clue(SOUNDS, min(like / _SAME, 1.0))
        elif may_be_short and is_short_for(parsed.sound, syllables_of(name)):
            found[token] = Clue(SOUNDS, _SHORTENED)
    for start, clue in _starts_of_names(parsed).items():
        for token in filter(_is_name, begun[start]):
            if token not in found or clue.quality > found[token].quality:
                found[token] = clue
    return found


@cache
def _words_of_the_trade() -> frozenset[str]:
    """Names that sound like a query of the same language only if they sound the same: unpaid is
    not paid."""
    every = (word for code, words in CALLED.items() for word in (code, *words.split(", ")))
    return frozenset(form for word in every for form in name_forms(word))


def _starts_of_names(parsed: ParsedQuery) -> dict[words.Start, Clue]:
    """How names sound or what initials they have for which the whole query may stand."""
    if len(parsed.whole) < _SHORTEST_BEGINNING:
        return {}
    starts = {words.Start("sound", parsed.sound, _BEGINNINGS): Clue(SOUNDS, 0.9)}
    initials = words.Start("initials", parsed.whole[:_LONGEST_INITIALS], _BEGINNINGS)
    return starts if parsed.chinese else {**starts, initials: Clue(SOUNDS, 0.8)}


def _is_name(token: str) -> bool:
    return token.startswith("=")


def _joined(
    parts: Sequence[Part], look: LookUp, begun: Mapping[Any, Sequence[str]]
) -> Sequence[Part]:
    """The parts to look up: digits in groups are one number if there is such a number."""
    gone: set[str] = set()
    for part in parts:
        if part.joins:
            is_one = not look.known.isdisjoint(part.tokens)
            is_one = is_one or any(begun[start] for start in _starts(part, look))
            gone |= set(part.joins) if is_one else {part.text}
    return [part for part in parts if part.text not in gone]


def _may_be_a_slip(part: Part, look: LookUp) -> bool:
    """Whether nothing else than a slip may stand for a part."""
    if look.like[part] or not look.known.isdisjoint(part.tokens):
        return False
    return len(part.text) >= _SHORTEST_MISSPELT and not has_chinese(part.text)


def _one_slip_from(part: Part) -> set[str]:
    """The terms that differ from a part by one slip."""
    alike = one_slip(part.text, _ALPHABET[part.is_number])
    return {f"#{each}" for each in alike} if part.is_number else alike


def one_slip(text: str, alphabet: str) -> set[str]:
    """All texts that differ in one sign of the alphabet, or have one more or less, or two in the
    other order."""
    found: set[str] = set()
    for at in range(len(text) + 1):
        head, tail = text[:at], text[at:]
        found.update(head + each + tail for each in alphabet)
        if tail:
            found.update(head + each + tail[1:] for each in alphabet)
            found.add(head + tail[1:])
            found.add(head + tail[1:2] + tail[:1] + tail[2:])
    return found - {text}
