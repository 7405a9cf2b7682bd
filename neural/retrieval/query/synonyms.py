"""Other words for the same thing: those of the trade, and a chain's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from neural.retrieval.collections.trade import SYNONYMS
from neural.retrieval.conf import conf
from neural.retrieval.query.parsing import parse_query
from neural.retrieval.text import fold, has_chinese, word_tokens

MOST = 4
"""Texts with other words that are read."""


@dataclass(frozen=True, kw_only=True)
class OtherWords:
    """What else the words of a query are called."""

    tokens: Mapping[str, list[str]] = field(default_factory=dict)
    """By token of the query: the tokens of each other word, with spaces between them."""
    names: frozenset[str] = frozenset()
    """Possible names in the query with other words."""
    wholes: frozenset[str] = frozenset()
    """The whole query with other words, as names."""


NO_OTHERS = OtherWords()


def other_words(text: str) -> OtherWords:
    """Other words for the same things as those of a text."""
    folded = fold(text)
    tokens: dict[str, list[str]] = {}
    texts: list[str] = []
    for group in (*conf().search_synonyms, *SYNONYMS):
        words = [fold(word) for word in group]
        if written := next((word for word in words if _is_in(word, folded)), ""):
            others = [other for other in words if other != written]
            texts += [folded.replace(written, other) for other in others]
            # Also pairs of the word's end and what follows it.
            rest = set(word_tokens(folded.replace(written, " ")))
            for token in set(word_tokens(folded)) - rest:
                tokens.setdefault(token, []).extend(" ".join(word_tokens(each)) for each in others)
    parsed = [parse_query(each) for each in texts[:MOST]]
    return OtherWords(
        tokens=tokens,
        names=frozenset[str]().union(*(each.names for each in parsed)),
        wholes=frozenset(each.whole for each in parsed),
    )


def _is_in(word: str, folded: str) -> bool:
    """Whether a text has this word; a Latin one whole."""
    return word in folded and (
        has_chinese(word) or bool(re.search(rf"\b{re.escape(word)}\b", folded, re.ASCII))
    )
