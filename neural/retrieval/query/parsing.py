"""What of a question is asked of which column. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from neural.retrieval.text.forms import fold
from neural.retrieval.text.sounds import pieces, sound_of
from neural.retrieval.text.tokens import grams, has_chinese, name_forms, runs, units, word_tokens

LONGEST_NAME = 12
"""Longer names are found by their pieces, or as the whole question."""
MOST_UNITS = 200
"""Of a longer question only its beginning is compared by names and words."""
MOST_SOUNDS = 60
"""A question that sounds longer is a sentence, and no name sounds like a sentence."""
_LONGEST_READ = 4_000
_LONGEST_SOUNDED = 100


@dataclass(frozen=True, kw_only=True)
class ParsedQuery:
    """A question taken apart."""

    chinese: bool
    whole: str
    """All of it as one name, without separators; empty if there is nothing to be found by."""
    characters: frozenset[str]
    """Its units, in no order."""
    names: frozenset[str]
    """Every piece of it that may be the whole name of something."""
    words: frozenset[str]
    """Tokens of its words."""
    sounds: frozenset[str]
    """Pieces of what it sounds like; none for a sentence."""

    @property
    def blank(self) -> bool:
        """Whether it has no letter, number or sign to be found by."""
        return not self.names


def parse_query(text: str) -> ParsedQuery:
    """A question taken apart. Nothing in it is an operator; whatever it holds, it has an answer."""
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
    """The question that a record is itself, for what is like it: by its names and their words."""
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
    """Itself, and its pieces of so many units; a single Chinese character is no name unless it is
    all that is asked."""
    if asked:
        yield "".join(asked)
    for start in range(len(asked)):
        for end in range(start + 1, min(start + LONGEST_NAME, len(asked)) + 1):
            if end > start + 1 or not has_chinese(asked[start]):
                yield "".join(asked[start:end])


def _words(folded: str) -> Iterable[str]:
    """Their number, too, has an end: a store takes a second for thousands of tokens."""
    return islice(_words_of_runs(folded), 2 * MOST_UNITS)


def _words_of_runs(folded: str) -> Iterable[str]:
    for _, run, chinese in islice(runs(folded), MOST_UNITS):
        yield from grams(run[:MOST_UNITS]) if chinese else (run,)


def _sounds(folded: str) -> frozenset[str]:
    if len(folded) > _LONGEST_SOUNDED:
        return frozenset()
    sounds = pieces(sound_of(folded))
    return sounds if len(sounds) <= MOST_SOUNDS else frozenset()
