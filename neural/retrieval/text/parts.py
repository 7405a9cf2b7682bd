"""The parts of a text that matched, as the text writes them. Pure."""

import re
import unicodedata
from collections.abc import Collection, Iterator

from neural.retrieval.text.forms import fold, fold_with_places
from neural.retrieval.text.tokens import has_chinese, words

_SPACE = re.compile(r"\s+")


def parts_of(text: str, tokens: Collection[str]) -> list[str]:
    """Pieces of the text that these tokens cover, each once. Pieces that touch are joined."""
    folded, places = _folded(text)
    found = (text[places[start] : places[end]] for start, end in _covered(folded, tokens))
    return list(dict.fromkeys(_SPACE.sub(" ", part).strip() for part in found))


def _folded(text: str) -> tuple[str, range | list[int]]:
    folded = fold(text)
    if len(folded) == len(text) and unicodedata.is_normalized("NFKC", text):
        return folded, range(len(text) + 1)  # no character moved: the usual case
    return fold_with_places(text)


def _covered(folded: str, tokens: Collection[str]) -> list[tuple[int, int]]:
    chinese = (token for token in tokens if token in folded and has_chinese(token))
    spans = [span for token in chinese for span in occurrences(folded, token)]
    spans += [(start, end) for start, end, word in words(folded) if word in tokens]
    return joined(sorted(spans))


def occurrences(text: str, part: str) -> Iterator[tuple[int, int]]:
    """The start and end of every occurrence of a part, which must not be empty."""
    start = text.find(part)
    while start >= 0:
        yield start, start + len(part)
        start = text.find(part, start + 1)


def joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sorted spans; those that overlap or touch become one."""
    found: list[tuple[int, int]] = []
    for start, end in spans:
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
