"""Ranking by evidence: what in a record speaks for it, from an exact number to its meaning. Pure.

The score of a record is the sum of its evidence. Stronger evidence outweighs all that is weaker:

* ``number`` (4 each): a number of the query, written in any way. Its beginning or end counts 3.2,
  and a number with one other digit 2. A number that very many records have counts 1.2, one of one
  or two characters .6.
* ``names`` (1 each): whole names of the record that are in the query. Only the longest count: 豆腐
  does not count inside 麻婆豆腐. A part of one of the record's names counts .9.
* ``words`` (up to 1): the share of the query's words that the record has, each by its rarity.
  Beside meaning, one word may be chance: 'soup' is all that 'soup from Hungary' shares with a
  record. What a record has beyond .9 of a word that no other has, counts .75 a word. Of a Chinese
  query, two words are no chance: those of the record that has most add .5.
* ``beginnings`` and ``spelling``: words that begin like one of the query (.8 of a word), or that
  are it but for a slip (.7).
* ``sounds`` (up to 1.5; beside whole names .4): one name that sounds like the whole query, begins
  so, has its initials or its characters.
* ``meaning`` (up to 1): the cosine by the best one, where neither a number nor a whole name was
  found; little (.2) where a record has nearly every word, or a name that clearly sounds so.

A record needs a number, a name, half of the words (or two of them that are half of those that any
record has, each by its rarity), a sound, or a meaning that is near enough. Of equal records the
newest comes first.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from neural.retrieval.query.parsing import ParsedQuery, Part
from neural.retrieval.text import has_chinese

NUMBER, NAMES, WORDS, MEANING = "number", "names", "words", "meaning"
BEGINNINGS, SPELLING, SOUNDS = "beginnings", "spelling", "sounds"
KINDS = (NUMBER, NAMES, WORDS, BEGINNINGS, SPELLING, SOUNDS, MEANING)
"""The kinds of evidence, the strongest first."""
_OF_WORDS = (WORDS, BEGINNINGS, SPELLING)

ONE_NUMBER, _COMMON_NUMBER, _SHORT_NUMBER = 4.0, 1.2, 0.6
"""What a number adds that the record has exactly and few others have; less for others."""
_PART_OF_A_NAME = 0.9
_SOUND, _SOUND_BESIDE_NAMES = 1.5, 0.4
_MEANING, _MEANING_BESIDE_WORDS = 1.0, 0.2
_ENOUGH_WORDS, _NEARLY_ALL = 0.5, 0.7
_BY_CHANCE, _BEYOND_CHANCE = 0.9, 0.75
"""Beside meaning, in words that one record alone has: what says nothing, and what each of the
others adds."""
_CHINESE_BESIDE_MEANING = 0.5
"""What the words of the row that has most of a Chinese query add beside meaning, if it has two."""
_STRONG_SOUND, _CLEAR_SOUND = 0.8, 0.7
_SLIP = 0.5
"""The quality of a number with one other digit."""
_DIGITS = 3
"""A shorter number says little."""
_SHORTEST_PART = 2
"""In characters, of a name."""


@dataclass(frozen=True)
class Clue:
    """Why a token stands for a part of the query: the kind of evidence, and from 0 to 1 how much
    of it."""

    kind: str
    quality: float


@dataclass
class Sought:
    """A part of the query, the tokens that stand for it, and how many rows have one."""

    part: Part
    tokens: Mapping[str, Clue]
    rows: int = 0
    is_common: bool = False
    """Whether more rows have it than were counted."""
    is_there: bool = False
    """Whether a row has it that may be seen: those that are counted may be of more stores."""

    @property
    def is_exact(self) -> bool:
        """Whether some of its tokens are the part, or begin or end with it."""
        return all(clue.quality > _SLIP for clue in self.tokens.values())

    @property
    def is_one(self) -> bool:
        """Whether it is a number that few have: an id, and no table."""
        return self.part.is_number and not self.is_common and len(self.part.text) >= _DIGITS

    def is_exactly_in(self, row: Any) -> bool:
        """Whether a row has exactly this part."""
        return not row.words.isdisjoint(self.part.tokens)

    def best(self, tokens: frozenset[str]) -> tuple[str, Clue] | None:
        """The best of its tokens among those of a row."""
        there = self.tokens.keys() & tokens
        token = max(there, key=lambda each: (self.tokens[each].quality, each), default="")
        return (token, self.tokens[token]) if token else None


@dataclass(frozen=True, kw_only=True)
class Question:
    """A query with what the vocabulary knows of it."""

    parsed: ParsedQuery
    sought: list[Sought]
    names: frozenset[str] = frozenset()
    """Whole names in the query that rows have."""
    sounds: Mapping[str, Clue] = field(default_factory=dict)
    """Tokens of names that are like the whole query."""
    every_row: int = 1
    """The number of rows of the index."""

    @cached_property
    def rarities(self) -> Sequence[float]:
        """The weight of each part: how rare it is among all rows (BM25's)."""
        return [each.part.weight * self.rarity(each.rows) for each in self.sought]

    def rarity(self, having: int) -> float:
        """How rare it is that so many rows have something."""
        rows = max(self.every_row, 1)
        having = min(having, rows)
        return math.log(1 + (rows - having + 0.5) / (having + 0.5))

    @cached_property
    def rare_words(self) -> float:
        """All its parts, in words that one row alone has."""
        return sum(self.rarities) / self.rarity(1)

    @cached_property
    def rarity_there(self) -> float:
        """The rarity of the parts that any row has, together."""
        parts = zip(self.sought, self.rarities, strict=True)
        return sum(rarity for sought, rarity in parts if sought.rows)

    @cached_property
    def weight(self) -> float:
        """The weights of all parts together."""
        return sum(each.part.weight for each in self.sought)

    @cached_property
    def marked_names(self) -> Mapping[str, str]:
        """The names in the query that rows have, by their tokens."""
        return {f"={name}": name for name in self.names}


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A record that fits, with its score and the evidence of which it is the sum."""

    row: Any
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    """Names of the record that occur whole in the query, in the form that is compared."""
    tokens: Mapping[str, Collection[str]] = field(default_factory=dict)
    """Tokens of the record that stand for the query's, by kind of evidence."""

    @property
    def kind(self) -> str:
        """The strongest kind of its evidence."""
        return next(kind for kind in KINDS if kind in self.scores)

    @property
    def is_heard(self) -> bool:
        """Whether one of its names clearly sounds like the whole query."""
        return self.scores.get(SOUNDS, 0) >= round(_STRONG_SOUND * _SOUND, 4)


def rank(
    question: Question, judged: Sequence["Judged"], meanings: Mapping[str, float] | None = None
) -> list[Ranked]:
    """The rows that fit, best first. ``meanings`` are cosines by key of rows whose meaning is near
    enough; None if meaning was not asked."""
    found = {name for each in judged for name in each.found}
    longest = {each for each in found if not any(each != it and each in it for it in found)}
    is_clear = any(each.share >= _NEARLY_ALL or each.is_heard for each in judged)
    weight = _MEANING_BESIDE_WORDS if longest or is_clear else _MEANING
    best = max((meanings or {}).values(), default=0.0) or 1.0
    most = max((sum(each.by_words.values()) for each in judged), default=0.0)
    is_weak = bool(meanings) and weight == _MEANING
    ranked = []
    for each in judged:
        words = each.beyond_chance(most) if is_weak else 1.0
        meaning = weight * (meanings or {}).get(each.row.key, 0.0) / best
        if result := each.ranked(longest, meaning, words):
            ranked.append(result)
    return sorted(ranked, key=_place)


def speaks_for_itself(ranked: Sequence[Ranked]) -> bool:
    """Whether these say so much that meaning need not be asked."""
    return any(
        each.scores.keys() & {NUMBER, NAMES}
        or sum(each.scores.get(kind, 0) for kind in _OF_WORDS) >= _NEARLY_ALL
        or each.is_heard
        for each in ranked
    )


def newest_first(ranked: Iterable[Ranked]) -> list[Ranked]:
    """The same records by their time."""
    return sorted(ranked, key=lambda each: _place(each)[1:])


def _place(ranked: Ranked) -> tuple[float, float, str]:
    at = ranked.row.at.timestamp() if ranked.row.at else 0.0
    return (-round(ranked.score, 2), -at, ranked.row.key)


def _may_be_a_part(form: str) -> bool:
    """Whether this may be a part of a name. A part of a Latin word is none: 'ham' is not in
    'hamburger'."""
    return len(form) >= _SHORTEST_PART and has_chinese(form)


def judge(question: Question, rows: Iterable[Any]) -> list["Judged"]:
    """What of the query each of these rows has."""
    return [Judged(question, row) for row in rows]


class Judged:
    """A row, and what of the query it has."""

    def __init__(self, question: Question, row: Any) -> None:
        self.question, self.row = question, row
        self.held = [
            (sought, rarity, *best)
            for sought, rarity in zip(question.sought, question.rarities, strict=True)
            if (best := sought.best(row.words))
        ]
        names = question.marked_names
        self.found = {names[each] for each in names.keys() & row.words}
        if _may_be_a_part(question.parsed.whole) and self._has_within_a_name(question.parsed.whole):
            self.found.add(question.parsed.whole)
        held = sum(sought.part.weight * clue.quality for sought, _, _, clue in self.held)
        self.share = held / question.weight if question.weight else 0.0
        """The share of the query's parts that the row has."""
        has = sum(rarity * clue.quality for _, rarity, _, clue in self.held)
        self.rare_share = has / question.rarity_there if has else 0.0
        """The same of the parts that any row has, each by its rarity."""
        self.has_two = sum(sought.part.weight >= 1 for sought, *_ in self.held) > 1
        """Whether it has two words: one may be chance."""
        self.by_words = self._of_words()

    @property
    def has_enough_words(self) -> bool:
        """Whether its words alone make it fit."""
        return max(self.share, self.rare_share if self.has_two else 0.0) >= _ENOUGH_WORDS

    def _has_within_a_name(self, form: str) -> bool:
        return any(form in each for each in self.row.words if each[0] == "=")

    def ranked(self, longest: set[str], meaning: float, words: float) -> Ranked | None:
        scores = {kind: words * score for kind, score in self.by_words.items()}
        if number := self._number():
            scores[NUMBER] = number
        names = sum(self._worth(name) for name in longest)
        if names:
            scores[NAMES] = names
        sound, token = self._sound()
        if sound:
            scores[SOUNDS] = (_SOUND_BESIDE_NAMES if names else _SOUND) * sound
        if meaning and not number and not names:
            scores[MEANING] = meaning
        if not (scores.keys() & {NUMBER, NAMES, SOUNDS, MEANING} or self.has_enough_words):
            return None
        rounded = {kind: round(scores[kind], 4) for kind in KINDS if scores.get(kind)}
        tokens: dict[str, set[str]] = {SOUNDS: {token}} if token else {}
        for _, _, own, clue in self.held:
            tokens.setdefault(clue.kind, set()).add(own)
        return Ranked(
            row=self.row,
            score=round(sum(rounded.values()), 4),
            scores=rounded,
            names=frozenset(each for each in longest if f"={each}" in self.row.words),
            tokens=tokens,
        )

    def _of_words(self) -> dict[str, float]:
        """What each word adds, by kind of evidence."""
        everything = sum(self.question.rarities) or 1.0
        scores: dict[str, float] = {}
        for sought, rarity, _, clue in self.held:
            if not sought.part.is_number:
                part = rarity * clue.quality / everything
                scores[clue.kind] = scores.get(clue.kind, 0.0) + part
        return scores

    @property
    def is_heard(self) -> bool:
        """Whether one of its names sounds so much like the query that meaning says less."""
        return self._sound()[0] >= _CLEAR_SOUND

    def beyond_chance(self, most: float) -> float:
        """By how much its words count where only they and meaning speak; ``most`` is what those of
        the best row add. Two pairs of Chinese characters are no chance, as two English words may
        be: a description uses few of many."""
        if self.has_two and self.question.parsed.chinese:
            return _CHINESE_BESIDE_MEANING / most
        share = sum(self.by_words.values())
        beyond = max(0.0, share * self.question.rare_words - _BY_CHANCE)
        return _BEYOND_CHANCE * beyond / share if beyond else 0.0

    def _number(self) -> float:
        """What the numbers add."""
        worth = 0.0
        for sought, _, _, clue in self.held:
            if sought.part.is_number:
                is_short = len(sought.part.text) < _DIGITS
                most = _COMMON_NUMBER if sought.is_common else ONE_NUMBER
                worth += (_SHORT_NUMBER if is_short else most) * clue.quality
        return worth

    def _worth(self, name: str) -> float:
        if f"={name}" in self.row.words:
            return 1.0
        is_part = _may_be_a_part(name) and self._has_within_a_name(name)
        return _PART_OF_A_NAME if is_part else 0.0

    def _sound(self) -> tuple[float, str]:
        there = self.question.sounds.keys() & self.row.words
        return max(
            ((self.question.sounds[each].quality, each) for each in there), default=(0.0, "")
        )
