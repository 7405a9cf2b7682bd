"""Tokens: pieces of text that full-text search compares. Pure. None contains white space."""

from collections.abc import Iterable

from neural.retrieval.text.forms import fold, fold_short
from neural.retrieval.text.units import name_forms, runs


def grams(run: str) -> list[str]:
    """Its pairs and triples of characters; of a single character, itself."""
    if len(run) < 3:
        return [run]
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return pairs + [run[at : at + 3] for at in range(len(run) - 2)]


def word_tokens(text: str) -> list[str]:
    """Pairs and triples inside each run of Chinese, never across a separator; Latin words and
    numbers whole."""
    return _of_folded(fold(text))


def name_tokens(names: Iterable[str]) -> list[str]:
    """For each name: itself as a whole, its words as :func:`word_tokens`, and each of its Chinese
    characters, by which alone it may be asked for. Each once a name."""
    tokens: list[str] = []
    for name in dict.fromkeys(names):
        folded = fold_short(name)
        characters = [each for _, run, chinese in runs(folded) if chinese for each in run]
        tokens += dict.fromkeys([*name_forms(name), *_of_folded(folded), *characters])
    return tokens


def _of_folded(folded: str) -> list[str]:
    tokens: list[str] = []
    for _, run, chinese in runs(folded):
        tokens += grams(run) if chinese else (run,)
    return tokens
