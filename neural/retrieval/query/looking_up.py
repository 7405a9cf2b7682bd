"""What the words of an index know of a query: the tokens that stand for its parts, and the rows
that have them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import chain
from typing import Any

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
from neural.retrieval.query.synonyms import NO_OTHERS, OtherWords
from neural.retrieval.stores import words
from neural.retrieval.stores.base import Within
from neural.retrieval.text import (
    characters_of,
    has_chinese,
    is_short_for,
    likeness,
    pieces,
    sound_of,
    syllables_of,
)

LISTED = 400
"""Rows of each part that are read, the newest."""
TAKEN = 120
"""Rows that are ranked."""
NEAREST = 40
"""Rows that are read for their meaning alone."""
_LOOKED_AT = 20
"""Rows that are read first to see whether any is within."""
_BEGINNINGS, _NUMBERS, _ALIKE = 12, 60, 40
_SHORTEST_BEGINNING, _SHORTEST_NUMBER, _SHORTEST_MISSPELT = 2, 3, 4
_BEGINS, _ENDS, _SLIP, _MISSPELT, _OTHER_WORD = 0.8, 0.8, 0.5, 0.7, 0.9
_LEAST_LIKENESS, _SAME, _SHORTENED = 0.5, 0.9, 0.8
_SHORTEST_SHORTENED = 5
_LONGEST_INITIALS = 12
_DIGITS, _LETTERS = "0123456789", "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, kw_only=True)
class LookUp:
    """The words of an index, and which of its rows may be seen."""

    index: int
    within: Within
    every_row: int
    _found: dict[Any, list[int]] = field(default_factory=dict)

    def question(self, parsed: ParsedQuery, others: OtherWords = NO_OTHERS) -> Question:
        """The query with what the vocabulary knows of it, and of other words for the same."""
        names = {f"={name}" for name in parsed.names | others.names}
        tokens = names.union(*(part.tokens for part in parsed.parts))
        known = words.known_terms(self.index, tokens)
        has_sound = bool(parsed.sound) and f"={parsed.whole}" not in known
        starts = {
            part: self._starts(part, known, is_last=part is parsed.parts[-1])
            for part in parsed.parts
        }
        of_names = _starts_of_names(parsed) if has_sound else {}
        asked = dict.fromkeys(chain(of_names, *starts.values()))
        begun = words.beginning(self.index, list(asked))
        parts = _joined(parsed.parts, known, lambda part: any(map(begun.get, starts[part])))
        like = {
            part: {token: clue for start, clue in starts[part].items() for token in begun[start]}
            for part in parts
        }
        slips = {part: _slips(part) for part in parts if _may_be_a_slip(part, known, like[part])}
        there = words.known_terms(self.index, set[str]().union(*slips.values()))
        for part, some in slips.items():
            clue = Clue(NUMBER, _SLIP) if part.is_number else Clue(SPELLING, _MISSPELT)
            like[part] |= dict.fromkeys(some & there, clue)
        for part in parts:
            like[part] |= dict.fromkeys(others.tokens.get(part.text, ()), Clue(WORDS, _OTHER_WORD))
        return Question(
            parsed=parsed,
            sought=[Sought(part, like[part] | _exactly(part)) for part in parts],
            names=frozenset(each.removeprefix("=") for each in names & known),
            wholes=others.wholes,
            sounds=self._sounds(parsed, of_names, begun) if has_sound else {},
            every_row=self.every_row,
        )

    def _starts(self, part: Part, known: set[str], *, is_last: bool) -> dict[words.Start, Clue]:
        """How terms may begin that stand for a part."""
        text = part.text
        if part.is_number:
            if len(text) < _SHORTEST_NUMBER or self._rows([part.tokens], limit=LISTED):
                return {}
            return {
                words.Start("backwards", text[::-1], _NUMBERS): Clue(NUMBER, _ENDS),
                words.Start("token", f"#{text}", _NUMBERS): Clue(NUMBER, _BEGINS),
            }
        is_whole = (text in known or part.weight < 1) and not is_last
        if is_whole or has_chinese(text) or len(text) < _SHORTEST_BEGINNING:
            return {}
        return {words.Start("token", text, _BEGINNINGS): Clue(BEGINNINGS, _BEGINS)}

    def _sounds(
        self,
        parsed: ParsedQuery,
        starts: Mapping[words.Start, Clue],
        begun: Mapping[words.Start, Sequence[str]],
    ) -> dict[str, Clue]:
        """Names that sound like the whole query, begin so, or have its initials."""
        found: dict[str, Clue] = {}
        own = pieces(parsed.sound)
        may_be_short = not parsed.chinese and len(parsed.sound) >= _SHORTEST_SHORTENED
        for token in words.alike(self.index, own, limit=_ALIKE):
            name = token.removeprefix("=")
            like = likeness(own, pieces(sound_of(name)))
            if parsed.chinese:
                like = max(like, likeness(parsed.characters, characters_of(name)))
            if token == name:
                continue
            if like >= _LEAST_LIKENESS:
                found[token] = Clue(SOUNDS, min(like / _SAME, 1.0))
            elif may_be_short and is_short_for(parsed.sound, syllables_of(name)):
                found[token] = Clue(SOUNDS, _SHORTENED)
        for start, clue in starts.items():
            for token in filter(_is_name, begun[start]):
                if token not in found or clue.quality > found[token].quality:
                    found[token] = clue
        return found

    def newest(self) -> list[words.Candidate]:
        """The newest rows within."""
        ids = self._rows([], limit=LISTED)
        found = words.rows(self.index, ids[:TAKEN], within=self.within)
        if len(found) < len(ids[:TAKEN]):  # not all are within
            found += words.rows(self.index, ids[TAKEN:], within=self.within)
        return found

    def more(
        self, near: Mapping[str, float], there: Sequence[words.Candidate]
    ) -> list[words.Candidate]:
        """The nearest rows that are not there yet, by cosines. Those with a word are there, though
        less near; a filter may leave out some."""
        keys = near if self.within.is_narrow else nlargest(NEAREST, near, key=near.__getitem__)
        missing = set(keys).difference(row.key for row in there)
        return words.rows(self.index, keys=missing, within=self.within)

    def rows(self, question: Question) -> list[words.Candidate]:
        """The rows that have most of what is sought."""
        scores: dict[int, float] = {}
        having: list[tuple[Sought, list[int]]] = []
        groups = [each.tokens for each in question.sought if each.part.weight >= 1]
        if len(groups) > 1:
            for number in self._rows(groups, limit=TAKEN):
                scores[number] = float(len(groups))
        for sought in question.sought:
            ids = self._rows([sought.tokens], limit=LISTED)
            having.append((sought, ids))
            sought.rows, sought.is_common = len(ids), len(ids) >= LISTED
            if sought.is_common:
                sought.rows = max(LISTED, self.every_row // 5)
            for number in ids:
                scores[number] = (
                    scores.get(number, 0.0) + sought.part.weight / (1 + len(ids)) ** 0.5
                )
        for tokens, worth in (
            ([f"={each}" for each in question.names], 2.0),
            (list(question.sounds), 1.0),
        ):
            for number in self._rows([tokens], limit=LISTED) if tokens else ():
                scores[number] = scores.get(number, 0.0) + worth
        best = sorted(scores, key=lambda each: (-scores[each], -each))[:TAKEN]
        found = words.rows(self.index, best, within=self.within)
        shown = {row.id for row in found}
        for sought, ids in having:
            sought.is_there = not shown.isdisjoint(ids) or self._is_any(ids)
        return found

    def _is_any(self, ids: Sequence[int]) -> bool:
        """Whether any of these rows is within: most often the first are."""
        first = (ids[:_LOOKED_AT], ids[_LOOKED_AT:])
        return any(words.rows(self.index, each, within=self.within) for each in first)

    def _rows(self, groups: Sequence[Iterable[str]], *, limit: int) -> list[int]:
        asked = tuple(tuple(sorted(each)) for each in groups)
        if (asked, limit) not in self._found:  # a number is asked for twice
            found = words.matching(asked, self.index, within=self.within, limit=limit)
            self._found[asked, limit] = found
        return self._found[asked, limit]


def _starts_of_names(parsed: ParsedQuery) -> dict[words.Start, Clue]:
    """How names sound or what initials they have for which the whole query may stand."""
    if len(parsed.whole) < _SHORTEST_BEGINNING:
        return {}
    starts = {words.Start("sound", parsed.sound, _BEGINNINGS): Clue(SOUNDS, 0.9)}
    initials = words.Start("initials", parsed.whole[:_LONGEST_INITIALS], _BEGINNINGS)
    return starts if parsed.chinese else {**starts, initials: Clue(SOUNDS, 0.8)}


def _is_name(token: str) -> bool:
    return token.startswith("=")


def _exactly(part: Part) -> dict[str, Clue]:
    return dict.fromkeys(part.tokens, Clue(NUMBER if part.is_number else WORDS, 1.0))


def _joined(
    parts: Sequence[Part], known: set[str], is_begun: Callable[[Part], bool]
) -> Sequence[Part]:
    """The parts to look up: digits in groups are one number if there is such a number."""
    gone: set[str] = set()
    for part in parts:
        if part.joins:
            is_one = not known.isdisjoint(part.tokens) or is_begun(part)
            gone |= set(part.joins) if is_one else {part.text}
    return [part for part in parts if part.text not in gone]


def _may_be_a_slip(part: Part, known: set[str], like: Mapping[str, Clue]) -> bool:
    """Whether nothing else than a slip may stand for a part."""
    if like or not known.isdisjoint(part.tokens):
        return False
    return len(part.text) >= _SHORTEST_MISSPELT and not has_chinese(part.text)


def _slips(part: Part) -> set[str]:
    """The terms that differ from a part by one slip."""
    if part.is_number:
        return {f"#{each}" for each in one_slip(part.text, _DIGITS)}
    return one_slip(part.text, _LETTERS)


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
