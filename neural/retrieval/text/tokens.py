"""Units of a text in normal form, and the tokens that full-text search compares. Pure.

A unit is a Chinese character, or a whole Latin word or number. No token contains white space.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from neural.retrieval.text.forms import fold, fold_short

HAN = "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff"
"""Scripts that are compared by characters: Chinese and kana, which have no spaces, and Korean,
whose words take endings."""
_EMOJI = "\u2600-\u27bf\U0001f000-\U0001faff"
_RUNS = re.compile(f"([{HAN}]+)|([^\\W_{HAN}]+)|([{_EMOJI}])")
_UNITS = re.compile(f"[{HAN}]|[^\\W_{HAN}]+|[{_EMOJI}]")
_CHINESE = re.compile(f"[{HAN}]")
_BRACKETS = re.compile(r"[(\[{<《【〔「『].*?[)\]}>》】〕」』]")
_WITH_DIGITS = re.compile(r"[A-Za-z0-9_.:/+-]*[0-9][A-Za-z0-9_.:/+-]*")
_PLURALS_IN_ES = ("ches", "shes", "sses", "xes", "zes", "oes")
_SHORTEST_PLURAL = 4
LONGEST = 40
"""A longer 'word' is cut, as nobody types it."""


def runs(folded: str) -> Iterator[tuple[int, str, bool]]:
    """Runs between separators: the position of each, the run (Latin ones as in :func:`word_of`),
    and whether it is Chinese. Each emoji is a run of its own."""
    for found in _RUNS.finditer(folded):
        chinese = found.group(1) is not None
        yield found.start(), found.group() if chinese else word_of(found.group()), chinese


def units(folded: str) -> list[str]:
    """The units of a text in order, across separators."""
    return [each if len(each) == 1 else word_of(each) for each in _UNITS.findall(folded)]


def word_of(run: str) -> str:
    """A Latin word in the form that is compared: the singular. Words that are no English plurals
    may be changed too, but in records and queries alike, so that does no harm."""
    run = run[:LONGEST]
    if len(run) < _SHORTEST_PLURAL or run.endswith(("us", "ss")):
        return run
    if run.endswith(_PLURALS_IN_ES):
        return run.removesuffix("es")
    one = run.removesuffix("s")
    if one.endswith("ie") and len(one) > _SHORTEST_PLURAL:
        return one.removesuffix("ie") + "y"  # berries: berry; cookies and cookie: cooky
    return one


def words(folded: str) -> Iterator[tuple[int, int, str]]:
    """The Latin words and numbers of a text: start, end, and the form that is compared."""
    for found in _RUNS.finditer(folded):
        if found.group(1) is None:
            yield found.start(), found.end(), word_of(found.group())


def without_numbers(text: str) -> str:
    """A text without words that have a digit: ids, amounts and times mean nothing to a model."""
    return _WITH_DIGITS.sub("", text)


def has_chinese(folded: str) -> bool:
    """Whether the text has any character of a script that is compared by characters."""
    return _CHINESE.search(folded) is not None


@lru_cache(maxsize=16_384)
def name_forms(name: str) -> tuple[str, ...]:
    """The forms in which a whole name is compared: its units without separators, and the same
    without text in brackets, because people leave out the branch of 护国寺小吃店（护国寺总店）."""
    folded = fold_short(name)
    forms = ("".join(units(folded)), "".join(units(_BRACKETS.sub(" ", folded))))
    return tuple(form for form in dict.fromkeys(forms) if form)


@lru_cache(maxsize=16_384)
def characters_of(name: str) -> frozenset[str]:
    """The units of a name without order, so that swapped ones make no difference."""
    return frozenset(units(fold_short(name)))


def grams(run: str) -> list[str]:
    """The pairs and triples of characters in a run; of a single character, itself."""
    if len(run) < 3:
        return [run]
    pairs = [run[at : at + 2] for at in range(len(run) - 1)]
    return pairs + [run[at : at + 3] for at in range(len(run) - 2)]


def word_tokens(text: str) -> list[str]:
    """The tokens of a text: pairs and triples in each run of Chinese, and whole Latin words and
    numbers."""
    return _of_folded(fold(text))


def name_tokens(names: Iterable[str]) -> list[str]:
    """The tokens of names: of each name the whole, its words as in :func:`word_tokens`, and its
    single Chinese characters, so that one character finds it. A token is listed once per name."""
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
