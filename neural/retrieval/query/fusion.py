"""Ranking: how well records fit a query, combined from all the ways in which it was searched. Pure.

The lists of the vector store only say which records to look at. The score is computed from the
record itself, because BM25 scores and cosines of different queries do not compare, while shares and
whole names do. A score has four parts, with these weights:

* names (1): whole names of the record that occur in the query. Only the longest count: 豆腐 does
  not count inside 麻婆豆腐. A record gets .9 if one of these names, or the whole query, is part of
  one of its own names.
* words (1): BM25 as a share of the best. In a query without Chinese it is multiplied by the share
  of the query's words that the record has, because one word of many matches by chance.
* pinyin (2): likeness of the whole query to one name of the record, by its sound or, in Chinese, by
  its characters in any order. Up to .3 is chance and counts 0; from .9 on it counts 1.
* meaning (1.5): cosine as a share of the best. It counts little (.2) if a whole name was found, or
  if a record has every word, and less the more a name sounds like the query. It counts nothing if
  the best cosine is below .12, as for queries about other things, and fully from .24, which 19 in
  20 labelled queries reach.

The weights were chosen on the even rows of ``benchmarks/search_quality``, which reports the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from neural.retrieval.query.parsing import ParsedQuery
from neural.retrieval.stores.base import Match, Row, Vector
from neural.retrieval.text import (
    characters_of,
    has_chinese,
    likeness,
    name_forms,
    pieces,
    sound_of,
    word_tokens,
)

_PART_OF_A_NAME = 0.9
_CHANCE, _SAME = 0.3, 0.9
_SOUND, _SOUND_BESIDE_NAMES = 2.0, 0.5
_UNRELATED, _RELATED = 0.12, 0.24
_MEANING, _MEANING_BESIDE_NAMES = 1.5, 0.2
_IN_CHINESE, _IN_OTHERS = ("whole",), ("whole", "title")
_WEIGHTS = {"whole": 1.0, "title": 0.5}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A record that may fit, with what the store said about it."""

    row: Row
    words: float = 0.0
    """The BM25 score; 0 if the store did not list it."""
    sounded: bool = False
    """Whether the store listed it by its sound."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A record that fits, with its score and the parts of the score."""

    row: Row
    score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    """Names of the record that occur whole in the query, as the record writes them."""


def candidates_of(lists: Mapping[str, Iterable[Match]], rows: Mapping[str, Row]) -> list[Candidate]:
    """The rows that the store listed, sorted by key."""
    words = {match.key: match.score for match in lists.get("words", ())}
    sounded = {match.key for match in lists.get("sounds", ())}
    return [
        Candidate(row=row, words=words.get(key, 0.0), sounded=key in sounded)
        for key, row in sorted(rows.items())
    ]


def columns_asked(parsed: ParsedQuery, columns: Iterable[str]) -> list[str]:
    """Which vectors a query is compared with. Titles are so short that a Chinese sentence is near
    to any of them, so a Chinese query uses the whole text. Other languages match Chinese best where
    the text is short."""
    there = list(columns)
    wanted = _IN_CHINESE if parsed.chinese else _IN_OTHERS
    return [each for each in wanted if each in there] or there[:1]


def rank(
    parsed: ParsedQuery, candidates: list[Candidate], vectors: Mapping[str, Vector]
) -> list[Ranked]:
    """Candidates that fit, best first; of equal ones the newest. ``vectors`` are the query's by
    column, empty if meaning is left out."""
    names = _names(parsed, candidates)
    named = any(score for score, _ in names)
    held = [_held(parsed, each) for each in candidates]
    sounds = [_sound(parsed, each) for each in candidates]
    meaning = _MEANING * (1 - max(sounds, default=0.0))
    if named or 1.0 in held:
        meaning = _MEANING_BESIDE_NAMES
    parts = {
        "names": [score for score, _ in names],
        "words": _words(candidates, held),
        "pinyin": [(_SOUND_BESIDE_NAMES if named else _SOUND) * each for each in sounds],
        "meaning": [meaning * each for each in _meanings(candidates, vectors)],
    }
    ranked = [
        _ranked(each.row, {by: scores[at] for by, scores in parts.items()}, names[at][1])
        for at, each in enumerate(candidates)
    ]
    fitting = [each for each in ranked if each.score > 0]
    return sorted(fitting, key=_place)


def _place(ranked: Ranked) -> tuple[float, float, str]:
    """The sort key: best first; of equal ones the newest, then by key."""
    at = ranked.row.at.timestamp() if ranked.row.at else 0.0
    return (-ranked.score, -at, ranked.row.key)


def _ranked(row: Row, scores: dict[str, float], names: tuple[str, ...]) -> Ranked:
    rounded = {by: round(score, 4) for by, score in scores.items() if score > 0}
    # Summed after rounding, so that the shown parts add up and floating-point differences between
    # machines do not matter.
    return Ranked(row=row, score=round(sum(rounded.values()), 4), scores=rounded, names=names)


def _names(parsed: ParsedQuery, candidates: list[Candidate]) -> list[tuple[float, tuple[str, ...]]]:
    """For each candidate its share of the names in the query, and which of its names these are."""
    forms = [_forms(each.row) for each in candidates]
    every = {form for own in forms for form in own}
    found = every & parsed.names
    if parsed.chinese and parsed.whole and any(parsed.whole in form for form in every):
        found.add(parsed.whole)
    longest = {each for each in found if not any(each != it and each in it for it in found)}
    scores = [sum(_worth(name, own) for name in longest) for own in forms]
    best = max(scores, default=0.0) or 1.0
    return [
        (score / best, tuple(dict.fromkeys(own[form] for form in own if form in longest)))
        for score, own in zip(scores, forms, strict=True)
    ]


def _forms(row: Row) -> dict[str, str]:
    """Names of a record in normal form, each with how the record writes it."""
    return {form: name for name in (row.title, *row.names) for form in name_forms(name)}


def _worth(name: str, own: Iterable[str]) -> float:
    if name in own:
        return 1.0
    # A part of a Latin word is no part of a name: 'ham' is not in 'hamburger'.
    return _PART_OF_A_NAME if has_chinese(name) and any(name in each for each in own) else 0.0


def _words(candidates: list[Candidate], held: list[float | None]) -> list[float]:
    best = max((each.words for each in candidates), default=0.0) or 1.0
    return [
        each.words / best * (1.0 if share is None else share)
        for each, share in zip(candidates, held, strict=True)
    ]


def _held(parsed: ParsedQuery, candidate: Candidate) -> float | None:
    """The share of the query's words that the record has. None for Chinese, which is not written in
    separate words."""
    if parsed.chinese:
        return None
    if not (candidate.words and parsed.words):
        return 0.0
    row = candidate.row
    tokens = frozenset(word_tokens("\n".join((row.title, *row.names, row.text))))
    return len(parsed.words & tokens) / len(parsed.words)


def _sound(parsed: ParsedQuery, candidate: Candidate) -> float:
    """How much one name of the record sounds like the query, or has its characters: from 0 to 1."""
    if not (candidate.sounded and parsed.sounds):
        return 0.0
    names = (candidate.row.title, *candidate.row.names)
    best = max(_alike(parsed, name) for name in names)
    return min(max((best - _CHANCE) / (_SAME - _CHANCE), 0.0), 1.0)


def _alike(parsed: ParsedQuery, name: str) -> float:
    by_sound = likeness(parsed.sounds, pieces(sound_of(name)))
    if not parsed.chinese:
        return by_sound
    return max(by_sound, likeness(parsed.characters, characters_of(name)))


def _meanings(candidates: list[Candidate], vectors: Mapping[str, Vector]) -> list[float]:
    """Mean cosine of the vectors as a share of the best; reduced if the best is not near."""
    means = [max(_cosine(each.row, vectors), 0.0) for each in candidates]
    best = max(means, default=0.0) or 1.0
    near = min(max((best - _UNRELATED) / (_RELATED - _UNRELATED), 0.0), 1.0)
    return [near * mean / best for mean in means]


def _cosine(row: Row, vectors: Mapping[str, Vector]) -> float:
    """The weighted mean of the cosines of those vectors that the row has."""
    there = [by for by in vectors if by in row.vectors]
    weights = sum(_WEIGHTS[by] for by in there)
    return sum(_WEIGHTS[by] * float(row.vectors[by] @ vectors[by]) for by in there) / (weights or 1)
