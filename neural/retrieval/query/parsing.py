"""Parsing a query: its names, words and sounds, each to be looked up in a column of its own.
Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from neural.retrieval.text import (
    fold,
    grams,
    has_chinese,
    name_forms,
    pieces,
    runs,
    sound_of,
    units,
    word_tokens,
)

LONGEST_NAME = 12
"""In units. Longer names are found by their pieces, or if they are the whole query."""
MOST_UNITS = 200
"""Only so many units of a longer query are compared with names and words."""
MOST_SOUNDS = 60
"""A query with more pieces of sound is a sentence, and no name sounds like a sentence."""
_LONGEST_READ = 4_000
_LONGEST_SOUNDED = 100


@dataclass(frozen=True, kw_only=True)
class ParsedQuery:
    """A query taken apart."""

    chinese: bool
    whole: str
    """The whole query as one name, without separators; empty if it has nothing to search for."""
    characters: frozenset[str]
    """Its units, without order."""
    names: frozenset[str]
    """Every piece of it that may be the whole name of something."""
    words: frozenset[str]
    """The tokens of its words."""
    sounds: frozenset[str]
    """The pieces of its sound; empty for a sentence."""

    @property
    def blank(self) -> bool:
        """Whether it has no letter, number or sign to search for."""
        return not self.names


def parse_query(text: str) -> ParsedQuery:
    """A query taken apart. Nothing in it is an operator, and every text is a valid query."""
    folded = fold(text[:_LONGEST_READ])
    asked = units(folded)[:MOST_UNITS]
    return ParsedQuery(
        chinese=has_chinese(folded),
        whole="".join(asked),
        characters=frozenset(asked),
        names=frozenset(_possible_names(asked)),
        words=frozenset(_words(folded)),
        sounds=_sounds(folded),
    )


def query_like(title: str, names: Iterable[str]) -> ParsedQuery:
    """The query for records similar to one with this title and these names: the names and their
    words."""
    own = tuple(dict.fromkeys((title, *names)))
    words = frozenset(islice(dict.fromkeys(word_tokens("\n".join(own))), MOST_UNITS))
    forms = frozenset(islice((form for name in own for form in name_forms(name)), MOST_UNITS))
    return ParsedQuery(
        chinese=has_chinese(fold("".join(own))),
        whole=next(iter(name_forms(title)), ""),
        characters=frozenset(),
        names=forms | words,
        words=words,
        sounds=frozenset(),
    )


def _possible_names(asked: list[str]) -> Iterable[str]:
    """The whole query, and its pieces of up to so many units. A single Chinese character is no name
    unless it is the whole query."""
    if asked:
        yield "".join(asked)
    for start in range(len(asked)):
        for end in range(start + 1, min(start + LONGEST_NAME, len(asked)) + 1):
            if end > start + 1 or not has_chinese(asked[start]):
                yield "".join(asked[start:end])


def _words(folded: str) -> Iterable[str]:
    """Limited in number, because a store takes a second for thousands of tokens."""
    return islice(_words_of_runs(folded), 2 * MOST_UNITS)


def _words_of_runs(folded: str) -> Iterable[str]:
    for _, run, chinese in islice(runs(folded), MOST_UNITS):
        yield from grams(run[:MOST_UNITS]) if chinese else (run,)


def _sounds(folded: str) -> frozenset[str]:
    if len(folded) > _LONGEST_SOUNDED:
        return frozenset()
    sounds = pieces(sound_of(folded))
    return sounds if len(sounds) <= MOST_SOUNDS else frozenset()
