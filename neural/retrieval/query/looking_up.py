"""What the words of an index know of a query: the tokens that stand for its parts, and the rows
that have them."""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from heapq import nlargest
from itertools import chain
from typing import Any, TypeVar

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
from neural.retrieval.query.synonyms import NO_OTHERS, OtherWords
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

T = TypeVar("T")
Steps = Generator[Sequence[words.Request], Any, T]
"""A search: at each step it gives requests, and is sent their answers."""


def together(searches: Iterable[Steps[T]]) -> list[T]:
    """The results of these searches, which are made side by side: what they ask at the same step is
    read together."""
    results: dict[int, T] = {}
    answers: dict[int, Any] = {}
    going = dict(enumerate(searches))
    while going:
        requests: dict[int, Sequence[words.Request]] = {}
        for place, search in [*going.items()]:
            try:
                requests[place] = search.send(answers.get(place))
            except StopIteration as ended:
                results[place] = ended.value
                del going[place]
        found = iter(words.read([each for asked in requests.values() for each in asked]))
        answers = {place: [next(found) for _ in asked] for place, asked in requests.items()}
    return [results[place] for place in sorted(results)]


_LISTED, _TAKEN = 400, 120
"""Rows of each part that are read, the newest; and rows that are ranked."""
_FEW, _LISTED_FOR_FEW, _TAKEN_FOR_FEW = 3, 60, 40
"""Hits for which fewer are: each key that is typed asks for so many of each collection."""
NEAREST = 40
"""Rows that are read for their meaning alone."""
_LOOKED_AT = 20
"""Rows that are read first to see whether any is within: most often one is."""
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
    hits: int
    """How many are asked for."""

    @property
    def listed(self) -> int:
        return _LISTED_FOR_FEW if self.hits <= _FEW else _LISTED

    @property
    def taken(self) -> int:
        return _TAKEN_FOR_FEW if self.hits <= _FEW else _TAKEN

    def question(self, parsed: ParsedQuery, others: OtherWords = NO_OTHERS) -> Steps[Question]:
        """The query with what the vocabulary knows of it, and of other words for the same."""
        names = {f"={name}" for name in parsed.names | others.names}
        tokens = names.union(*(part.tokens for part in parsed.parts))
        numbers = [each for each in parsed.parts if each.is_number]
        known, *rows = yield [
            words.Known(self.index, tokens),
            *(self._matching([each.tokens]) for each in numbers),
        ]
        known |= {each.text for each, ids in zip(numbers, rows, strict=True) if ids}
        has_sound = bool(parsed.sound) and f"={parsed.whole}" not in known
        starts = {
            part: _starts(part, known, is_last=part is parsed.parts[-1]) for part in parsed.parts
        }
        of_names = _starts_of_names(parsed) if has_sound else {}
        asked = dict.fromkeys(chain(of_names, *starts.values()))
        own = pieces(parsed.sound) if has_sound else ()
        begun, alike = yield [
            words.Beginning(self.index, list(asked)),
            words.Alike(self.index, own, _ALIKE),
        ]
        parts = _joined(parsed.parts, known, lambda part: any(map(begun.get, starts[part])))
        like = {
            part: {token: clue for start, clue in starts[part].items() for token in begun[start]}
            for part in parts
        }
        slips = {part: _slips(part) for part in parts if _may_be_a_slip(part, known, like[part])}
        (there,) = yield [words.Known(self.index, set[str]().union(*slips.values()))]
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
            sounds=_sounds(parsed, alike, of_names, begun) if has_sound else {},
            every_row=self.every_row,
        )

    def newest(self) -> Steps[list[words.Candidate]]:
        """The newest rows within."""
        (ids,) = yield [self._matching([])]
        (found,) = yield [self._rows(ids[: self.taken])]
        if len(found) < len(ids[: self.taken]):  # not all are within
            (others,) = yield [self._rows(ids[self.taken :])]
            found += others
        return found

    def more(
        self, near: Mapping[str, float], there: Sequence[words.Candidate]
    ) -> Steps[list[words.Candidate]]:
        """The nearest rows that are not there yet, by cosines. Those with a word are there, though
        less near; a filter may leave out some."""
        keys = near if self.within.is_narrow else nlargest(NEAREST, near, key=near.__getitem__)
        missing = set(keys).difference(row.key for row in there)
        (found,) = yield [words.Rows(self.index, self.within, keys=missing)]
        return found

    def rows(self, question: Question) -> Steps[list[words.Candidate]]:
        """The rows that have most of what is sought."""
        groups = [each.tokens for each in question.sought if each.part.weight >= 1]
        names = [f"={each}" for each in question.names]
        having_all, named, heard, *having = yield [
            self._matching(groups if len(groups) > 1 else [()], self.taken),
            self._matching([names]),
            self._matching([question.sounds]),
            *(self._matching([each.tokens]) for each in question.sought),
        ]
        scores = Counter[int]()
        for ids, worth in ((having_all, float(len(groups))), (named, 2.0), (heard, 1.0)):
            scores.update(dict.fromkeys(ids, worth))
        for sought, ids in zip(question.sought, having, strict=True):
            sought.rows, sought.is_common = len(ids), len(ids) >= self.listed
            if sought.is_common:
                sought.rows = max(self.listed, self.every_row // 5)
            scores.update(dict.fromkeys(ids, sought.part.weight / (1 + len(ids)) ** 0.5))
        best = sorted(scores, key=lambda each: (-scores[each], -each))[: self.taken]
        (found,) = yield [self._rows(best)]
        shown = {row.id for row in found}
        ids_of = dict(zip((each.part for each in question.sought), having, strict=True))
        for sought in question.sought:
            sought.is_there = not shown.isdisjoint(ids_of[sought.part])
        for some in (slice(_LOOKED_AT), slice(_LOOKED_AT, None)):
            unseen = [each for each in question.sought if not each.is_there]
            within = yield [self._rows(ids_of[each.part][some]) for each in unseen]
            for sought, rows in zip(unseen, within, strict=True):
                sought.is_there = bool(rows)
        return found

    def _matching(self, groups: Sequence[Iterable[str]], limit: int = 0) -> words.Matching:
        asked = [tuple(sorted(each)) for each in groups]
        return words.Matching(self.index, asked, self.within, limit or self.listed)

    def _rows(self, ids: Sequence[int]) -> words.Rows:
        return words.Rows(self.index, self.within, ids)


def _starts(part: Part, known: set[str], *, is_last: bool) -> dict[words.Start, Clue]:
    """How terms may begin that stand for a part."""
    text = part.text
    if part.is_number:
        if len(text) < _SHORTEST_NUMBER or text in known:
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
    parsed: ParsedQuery,
    alike: Iterable[str],
    starts: Mapping[words.Start, Clue],
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
    for start, clue in starts.items():
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
